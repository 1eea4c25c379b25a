using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Holds the one status of a migration, lets it move only along allowed transitions, and tells watchers. Safe to use from several
/// threads. A slow watcher skips statuses in between; it never misses the last.
/// </summary>
/// <param name="initial">The first status.</param>
/// <param name="observe">Is told of each later status, one at a time; must neither throw nor wait.</param>
internal sealed class MigrationStatusFeed(MigrationStatus initial, Action<MigrationStatus>? observe = null)
{
    private readonly Lock gate = new();
    private MigrationStatus status = initial;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MigrationStatus Current
    {
        get
        {
            lock (gate) return status;
        }
    }

    /// <summary>Publishes how far the migration has come.</summary>
    public void Report(MigrationProgress progress) => Publish(current => current.HasEnded ? current : current with { Progress = progress });

    /// <summary>Moves to another state.</summary>
    /// <exception cref="InvalidOperationException">The transition is not one of DESIGN's diagram: a defect of the caller.</exception>
    public void MoveTo(MigrationState next, Func<MigrationStatus, MigrationStatus>? details = null) => Publish(current =>
    {
        if (!IsAllowed(current.State, next)) throw new InvalidOperationException($"A migration cannot go from {current.State} to {next}.");
        MigrationStatus moved = current with { State = next };
        if (moved.HasEnded) moved = moved with { EndedAt = DateTimeOffset.UtcNow };
        return details is null ? moved : details(moved);
    });

    /// <summary>The present status at once, then each later one; ends after one that has ended.</summary>
    public async IAsyncEnumerable<MigrationStatus> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            MigrationStatus current;
            Task next;
            lock (gate)
            {
                current = status;
                next = changed.Task;
            }

            yield return current;
            if (current.HasEnded) yield break;
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal static bool IsAllowed(MigrationState from, MigrationState to) => (from, to) switch
    {
        (MigrationState.Setup, MigrationState.Precopy or MigrationState.RolledBack) => true,
        (MigrationState.Precopy, MigrationState.Switchover or MigrationState.RolledBack) => true,
        (MigrationState.Switchover, MigrationState.Completed or MigrationState.RolledBack or MigrationState.Undecided) => true,
        (MigrationState.Switchover, MigrationState.Postcopy) => true,
        (MigrationState.Postcopy, MigrationState.PostcopyPaused or MigrationState.Completed or MigrationState.Undecided) => true,
        (MigrationState.PostcopyPaused, MigrationState.Postcopy or MigrationState.Completed or MigrationState.Undecided) => true,
        _ => false,
    };

    private void Publish(Func<MigrationStatus, MigrationStatus> change)
    {
        TaskCompletionSource waiting;
        lock (gate)
        {
            status = change(status);
            observe?.Invoke(status);
            waiting = changed;
            changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        waiting.SetResult();
    }
}
