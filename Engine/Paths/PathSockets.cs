using System.Diagnostics;
using System.Net;

namespace VmMigration.Engine.Paths;

/// <summary>The TCP sockets that use a path, as the kernel lists them (/proc/PID/net/tcp of proc(5)).</summary>
internal static class PathSockets
{
    // The states of a TCP socket whose peer has acknowledged all it was sent, the end included, or that never sent anything: FIN_WAIT2,
    // TIME_WAIT, CLOSE and LISTEN of the kernel's include/net/tcp_states.h.
    private static readonly string[] quietStates = ["05", "06", "07", "0A"];

    private static readonly TimeSpan drainLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan lookInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// Waits until what was sent last has arrived: sockets that are closed go on sending, and a path that is removed under them would keep
    /// their peers waiting for an end that never comes. At most two seconds, for a peer that is gone.
    /// </summary>
    /// <param name="network">The network they are in.</param>
    /// <param name="peer">Only those connected to this IPv4 address; null for all in the network.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public static async Task DrainAsync(PathNetwork network, IPAddress? peer, CancellationToken cancellationToken)
    {
        // The kernel writes the address as one number in its own byte order.
        string? remote = peer is null ? null : $"{BitConverter.ToUInt32(peer.GetAddressBytes()):X8}:";
        long startedAt = Stopwatch.GetTimestamp();
        while (network.Run(() => AnyBusy(remote)) && Stopwatch.GetElapsedTime(startedAt) < drainLimit)
        {
            await Task.Delay(lookInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool AnyBusy(string? remote) => Lines("tcp").Concat(remote is null ? Lines("tcp6") : []).Any(line =>
    {
        string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return !quietStates.Contains(fields[3]) && (remote is null || fields[2].StartsWith(remote, StringComparison.Ordinal));
    });

    /// <summary>A kernel without IPv6 has no such table, and no such sockets.</summary>
    private static IEnumerable<string> Lines(string table)
    {
        string path = $"/proc/thread-self/net/{table}";
        return File.Exists(path) ? File.ReadAllLines(path).Skip(1) : [];
    }
}
