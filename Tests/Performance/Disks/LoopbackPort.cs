using System.Net;
using System.Net.Sockets;
using System.Globalization;

namespace VmMigration.Performance.Disks;

/// <summary>A TCP port of the loopback address, for a server of another program.</summary>
internal static class LoopbackPort
{
    private static readonly TimeSpan limit = TimeSpan.FromSeconds(20);

    /// <summary>A port that is free now.</summary>
    public static string FindFree()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until a server listens there.</summary>
    public static async Task WaitAsync(string port, CopyCommand server, CancellationToken cancellationToken)
    {
        // Looked at, not connected to: a server of one connection would take that one for its client.
        string listening = string.Create(CultureInfo.InvariantCulture, $"0100007F:{int.Parse(port, CultureInfo.InvariantCulture):X4} 00000000:0000 0A");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(limit);
        while (!(await File.ReadAllTextAsync("/proc/net/tcp", patience.Token)).Contains(listening, StringComparison.Ordinal))
        {
            if (server.HasExited) await server.WaitAsync(cancellationToken);
            await Task.Delay(10, patience.Token);
        }
    }
}
