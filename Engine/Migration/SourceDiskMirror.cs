using System.Diagnostics;
using System.Net.Sockets;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The mirror of one disk at its source: the hypervisor connects to a unix socket of the engine, which passes the bytes on over a connection
/// of the migration, so that its TLS, its ticket and its mobility path hold for them too.
/// </summary>
internal sealed class SourceDiskMirror : IAsyncDisposable
{
    private readonly MovingDisk disk;
    private readonly CancellationTokenSource stop = new();
    private readonly string socketPath;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly long startedAt = Stopwatch.GetTimestamp();
    private Task<Exception?> relaying = Task.FromResult<Exception?>(null);
    private IVmDiskMirror? mirror;

    private SourceDiskMirror(MovingDisk disk, string socketPath)
    {
        this.disk = disk;
        this.socketPath = socketPath;
    }

    /// <summary>The disk.</summary>
    public MovingDisk Disk => disk;

    /// <summary>Ends once both sides are equal; fails where the mirror does.</summary>
    public Task Ready => mirror!.Ready;

    /// <summary>Ends once the mirror has, whichever way.</summary>
    public Task Ended => mirror!.Ended;

    /// <summary>Connects the two hypervisors and begins to copy.</summary>
    public static async Task<SourceDiskMirror> StartAsync(
        IVmDisks disks, MovingDisk disk, MigrationDialer dialer, long maxBytesPerSecond, CancellationToken cancellationToken)
    {
        var started = new SourceDiskMirror(disk, disks.ChooseSocketPath());
        try
        {
            started.listener.Bind(new UnixDomainSocketEndPoint(started.socketPath));
            started.listener.Listen(1);
            LinkTransport link = await dialer.ConnectRelayAsync(disk.Index, cancellationToken).ConfigureAwait(false);
            started.relaying = started.RelayAsync(link);
            started.mirror = await disks
                .MirrorAsync(disk.Name, started.socketPath, maxBytesPerSecond, cancellationToken).ConfigureAwait(false);
            return started;
        }
        catch
        {
            await started.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Notes how much has been copied.</summary>
    public async Task ReadProgressAsync(CancellationToken cancellationToken)
    {
        (long done, _) = await mirror!.ReadProgressAsync(cancellationToken).ConfigureAwait(false);
        if (disk.Phase == VmDiskPhase.Mirroring) disk.FollowMirror(done, Stopwatch.GetElapsedTime(startedAt));
        else disk.EndMirror(done);
    }

    /// <summary>The VM is paused: ends the mirror with both sides equal and flushed.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await mirror!.CompleteAsync(cancellationToken).ConfigureAwait(false);
        disk.Phase = VmDiskPhase.Moved;
    }

    /// <summary>Ends everything at once. The connection first: what the hypervisor waits for from the other side fails then.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        await ((Task)relaying).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        listener.Dispose();
        if (mirror is not null) await mirror.DisposeAsync().ConfigureAwait(false);
        File.Delete(socketPath);
        stop.Dispose();
    }

    private async Task<Exception?> RelayAsync(LinkTransport link)
    {
        using (link)
        {
            using Socket connection = await listener.AcceptAsync(stop.Token).ConfigureAwait(false);
            var stream = new NetworkStream(connection);
            await using (stream.ConfigureAwait(false))
            {
                return await ByteRelay.RunAsync(stream, link.Stream, stop.Token).ConfigureAwait(false);
            }
        }
    }
}
