using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>Ends an operation for somebody who waited for it and does not want it any more.</summary>
internal static class OperationCancellation
{
    /// <summary>
    /// Cancels an operation and waits until it has ended, whichever way. A migration in post-copy cannot be cancelled any more: it goes on,
    /// and where it stands still because its link broke, the wait ends too, for only Resume-VmMigration takes it further.
    /// </summary>
    /// <returns>Why it was not cancelled; null where it was, or had ended before.</returns>
    public static async Task<MigrationException?> EndAsync(HostOperation operation, CancellationToken cancellationToken)
    {
        MigrationException? refusal = null;
        try
        {
            await operation.CancelAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.InvalidState)
        {
            refusal = exception;
        }

        var follower = new OperationFollower();
        await foreach (OperationReport report in follower.FollowAsync(operation, cancellationToken).ConfigureAwait(false))
        {
            if (report.StandsStill) break;
        }

        return refusal;
    }
}
