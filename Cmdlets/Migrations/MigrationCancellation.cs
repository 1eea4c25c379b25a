using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Ends a migration for somebody who waited for it and does not want it any more.</summary>
internal static class MigrationCancellation
{
    /// <summary>
    /// Cancels a migration and waits until it has ended, whichever way. One that is committed goes on; where it stands still because the
    /// link broke, the wait ends too, for only Resume-VmMigration takes it further.
    /// </summary>
    /// <returns>Whether it has ended.</returns>
    public static async Task<bool> EndAsync(LocatedMigration migration, CancellationToken cancellationToken)
    {
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task watching = CancelAtStandstillAsync(migration, wait);
        try
        {
            await migration.Host.CancelMigrationAsync(migration.Status.Id, wait.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            await wait.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    private static async Task CancelAtStandstillAsync(LocatedMigration migration, CancellationTokenSource wait)
    {
        try
        {
            IAsyncEnumerable<MigrationStatus> statuses = migration.Host.WatchMigrationAsync(migration.Status.Id, wait.Token);
            await foreach (MigrationStatus status in statuses.ConfigureAwait(false))
            {
                if (status.State == Engine.Migration.MigrationState.PostcopyPaused) await wait.CancelAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (wait.IsCancellationRequested)
        {
            // The cancellation was answered, or it never will be.
        }
    }
}
