using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Disks;

/// <summary>The <see cref="StatusFeed{TStatus}"/> of a disk transfer, which moves only along allowed transitions.</summary>
/// <param name="initial">The first status.</param>
internal sealed class DiskTransferStatusFeed(DiskTransferStatus initial)
{
    private readonly StatusFeed<DiskTransferStatus> feed = new(initial, status => status.HasEnded);

    public DiskTransferStatus Current => feed.Current;

    /// <summary>Publishes how far the transfer has come; the state stays. Does nothing once it has ended.</summary>
    public void Report(Func<DiskTransferStatus, DiskTransferStatus> progress) =>
        feed.Publish(current => current.HasEnded ? current : progress(current) with { State = current.State });

    /// <summary>Moves to another state.</summary>
    /// <param name="next">The state; an ended one sets <see cref="DiskTransferStatus.EndedAt"/>.</param>
    /// <param name="details">What else changes with it.</param>
    /// <exception cref="InvalidOperationException">The transition does not exist: a defect of the caller.</exception>
    public void MoveTo(DiskTransferState next, Func<DiskTransferStatus, DiskTransferStatus>? details = null) => feed.Publish(current =>
    {
        if (!IsAllowed(current.State, next)) throw new InvalidOperationException($"A transfer cannot go from {current.State} to {next}.");
        DiskTransferStatus moved = current with { State = next };
        if (moved.HasEnded) moved = moved with { EndedAt = DateTimeOffset.UtcNow, BytesPerSecond = 0 };
        return details is null ? moved : details(moved);
    });

    /// <inheritdoc cref="StatusFeed{TStatus}.WatchAsync"/>
    public IAsyncEnumerable<DiskTransferStatus> WatchAsync(CancellationToken cancellationToken) => feed.WatchAsync(cancellationToken);

    internal static bool IsAllowed(DiskTransferState from, DiskTransferState to) => (from, to) switch
    {
        (DiskTransferState.Setup, DiskTransferState.Transferring) => true,
        (DiskTransferState.Transferring, DiskTransferState.Suspended or DiskTransferState.Verifying) => true,

        // Where all had been sent before it was suspended, the destination completes it.
        (DiskTransferState.Suspended, DiskTransferState.Transferring or DiskTransferState.Verifying) => true,

        // A block that the destination finds damaged is sent again.
        (DiskTransferState.Verifying, DiskTransferState.Transferring or DiskTransferState.Suspended or DiskTransferState.Completed) => true,
        (DiskTransferState.Setup or DiskTransferState.Transferring or DiskTransferState.Suspended or DiskTransferState.Verifying,
            DiskTransferState.Failed or DiskTransferState.Cancelled) => true,
        _ => false,
    };
}
