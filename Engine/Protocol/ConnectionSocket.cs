using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>How the sockets of a migration are set, on both ends.</summary>
internal static class ConnectionSocket
{
    // A peer whose machine or link went away without a word is noticed after 12 seconds of silence, or 30 with data under way (tcp(7)). The
    // second also ends a connection whose peer takes nothing for that long, so it must outlast any stall worth waiting for.
    private const int IdleSeconds = 6;
    private const int ProbeIntervalSeconds = 2;
    private const int ProbeCount = 3;
    private const int UnacknowledgedMilliseconds = 30_000;

    private const int TcpUserTimeout = 18;

    /// <summary>Sends at once, and ends the connection when the peer falls silent.</summary>
    public static void Configure(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, IdleSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, ProbeIntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, ProbeCount);
        if (!OperatingSystem.IsLinux()) return;
        socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes(UnacknowledgedMilliseconds));
    }
}
