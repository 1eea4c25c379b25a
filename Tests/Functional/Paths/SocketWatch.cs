using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using VmMigration.Engine.Native;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>Reads the socket tables of a network again and again (/proc/net/tcp, proc(5)), and keeps every address that was in one.</summary>
internal sealed class SocketWatch : IDisposable
{
    private static readonly TimeSpan interval = TimeSpan.FromMilliseconds(10);
    private static readonly string[] tables = ["tcp", "tcp6", "udp", "udp6"];

    private readonly NetworkNamespace network;
    private readonly Thread thread;
    private readonly ConcurrentDictionary<IPAddress, byte> addresses = new();
    private readonly ManualResetEventSlim ends = new();

    public SocketWatch(NetworkNamespace network)
    {
        this.network = network;
        thread = new(() => network.Run(Run)) { IsBackground = true, Name = "socket watch" };
        thread.Start();
    }

    /// <summary>The addresses that sockets had, their own and their peers'.</summary>
    public IReadOnlySet<IPAddress> Addresses => addresses.Keys.ToHashSet();

    /// <summary>The local ports of the sockets of a network now, of one of its tables.</summary>
    public static IReadOnlyList<int> ReadPorts(NetworkNamespace network, string table) => network.Run(
        () => ReadTable(table).Select(socket => socket.Local.Port).Order().ToArray());

    public void Stop()
    {
        ends.Set();
        thread.Join();
    }

    public void Dispose()
    {
        Stop();
        ends.Dispose();
        network.Dispose();
    }

    // /proc/net is that of the process's first thread.
    private static IEnumerable<(IPEndPoint Local, IPEndPoint Remote)> ReadTable(string table) =>
        File.ReadAllLines($"/proc/thread-self/net/{table}").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(fields => (Parse(fields[1]), Parse(fields[2])));

    /// <summary>Words of 32 bits in the machine's byte order, then the port.</summary>
    private static IPEndPoint Parse(string text)
    {
        string[] parts = text.Split(':');
        byte[] bytes = Convert.FromHexString(parts[0]);
        for (int word = 0; word < bytes.Length; word += sizeof(int)) bytes.AsSpan(word, sizeof(int)).Reverse();
        var address = new IPAddress(bytes);
        return new(
            address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }

    private bool Run()
    {
        do
        {
            foreach (string table in tables)
            {
                foreach ((IPEndPoint local, IPEndPoint remote) in ReadTable(table))
                {
                    addresses.TryAdd(local.Address, 0);
                    addresses.TryAdd(remote.Address, 0);
                }
            }
        }
        while (!ends.Wait(interval));
        return true;
    }
}
