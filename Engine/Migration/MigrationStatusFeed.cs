namespace VmMigration.Engine.Migration;

/// <summary>The <see cref="StatusFeed{TStatus}"/> of a migration, which moves only along allowed transitions.</summary>
/// <param name="initial">The first status.</param>
/// <param name="observe">Is told of each later status, one at a time; must neither throw nor wait.</param>
internal sealed class MigrationStatusFeed(MigrationStatus initial, Action<MigrationStatus>? observe = null)
{
    private readonly StatusFeed<MigrationStatus> feed = new(initial, status => status.HasEnded, observe);

    public MigrationStatus Current => feed.Current;

    /// <summary>Publishes how far the migration has come.</summary>
    public void Report(MigrationProgress progress) =>
        feed.Publish(current => current.HasEnded ? current : current with { Progress = progress with { Disks = current.Progress.Disks } });

    /// <summary>Publishes how far the disks have come that move with the VM.</summary>
    public void ReportDisks(IReadOnlyList<VmDiskProgress> disks) => feed.Publish(
        current => current.HasEnded ? current : current with { Progress = current.Progress with { Disks = disks } });

    /// <summary>Moves to another state.</summary>
    /// <exception cref="InvalidOperationException">The transition is not one of DESIGN's diagram: a defect of the caller.</exception>
    public void MoveTo(MigrationState next, Func<MigrationStatus, MigrationStatus>? details = null) => feed.Publish(current =>
    {
        if (!IsAllowed(current.State, next)) throw new InvalidOperationException($"A migration cannot go from {current.State} to {next}.");
        MigrationStatus moved = current with { State = next };
        if (moved.HasEnded) moved = moved with { EndedAt = DateTimeOffset.UtcNow };
        return details is null ? moved : details(moved);
    });

    /// <inheritdoc cref="StatusFeed{TStatus}.WatchAsync"/>
    public IAsyncEnumerable<MigrationStatus> WatchAsync(CancellationToken cancellationToken) => feed.WatchAsync(cancellationToken);

    internal static bool IsAllowed(MigrationState from, MigrationState to) => (from, to) switch
    {
        (MigrationState.Setup, MigrationState.CopyingDisks or MigrationState.Precopy or MigrationState.RolledBack) => true,
        (MigrationState.CopyingDisks, MigrationState.Precopy or MigrationState.RolledBack) => true,
        (MigrationState.Precopy, MigrationState.Switchover or MigrationState.RolledBack) => true,
        (MigrationState.Switchover, MigrationState.Completed or MigrationState.RolledBack or MigrationState.Undecided) => true,
        (MigrationState.Switchover, MigrationState.Postcopy) => true,
        (MigrationState.Postcopy, MigrationState.PostcopyPaused or MigrationState.Completed or MigrationState.Undecided) => true,
        (MigrationState.PostcopyPaused, MigrationState.Postcopy or MigrationState.Completed or MigrationState.Undecided) => true,
        _ => false,
    };
}
