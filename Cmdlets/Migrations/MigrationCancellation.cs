using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Ends a migration for somebody who waited for it and does not want it any more.</summary>
internal static class MigrationCancellation
{
    /// <summary>
    /// Cancels a migration and waits until it has ended, whichever way. One in post-copy cannot be cancelled any more: it goes on, and
    /// where it stands still because its link broke, the wait ends too, for only Resume-VmMigration takes it further.
    /// </summary>
    /// <returns>Why it was not cancelled; null where it was, or had ended before.</returns>
    public static async Task<MigrationException?> EndAsync(LocatedMigration migration, CancellationToken cancellationToken)
    {
        MigrationException? refusal = null;
        try
        {
            await migration.Host.CancelMigrationAsync(migration.Status.Id, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.InvalidState)
        {
            refusal = exception;
        }

        var follower = new MigrationFollower();
        await foreach (MigrationStatus status in follower.FollowAsync(migration, cancellationToken).ConfigureAwait(false))
        {
            if (status.State == Engine.Migration.MigrationState.PostcopyPaused) break;
        }

        return refusal;
    }
}
