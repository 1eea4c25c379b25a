using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>
/// Waits for migrations at once, with one time limit: writes those that completed, as they do, and an error about each that did not. One
/// that stands still in post-copy is an error at once: it would not end by itself, and whoever can resume it is waiting here.
/// Ending the wait leaves the migrations alone, for their source hosts drive them, unless they are to be cancelled when the pipeline stops.
/// </summary>
internal sealed class MigrationWait(MigrationCmdlet cmdlet)
{
    /// <summary>Cancel the migrations when the pipeline is stopped, and end only when they have ended.</summary>
    public bool CancelsOnStop { get; init; }

    /// <param name="migrations">What to wait for.</param>
    /// <param name="timeout">Limit for all of them together; null waits as long as it takes.</param>
    public void WaitForAll(IReadOnlyList<LocatedMigration> migrations, TimeSpan? timeout)
    {
        if (migrations.Count == 0) return;
        cmdlet.Attempt(null, async (queue, token) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(token);
            if (timeout is { } time) limit.CancelAfter(time);
            await Task.WhenAll(migrations.Select(migration => WaitForAsync(migration, queue, limit.Token, token))).ConfigureAwait(false);
        });
    }

    private async Task WaitForAsync(
        LocatedMigration migration, PipelineQueue queue, CancellationToken limit, CancellationToken pipelineStop)
    {
        MigrationStatus status = migration.Status;
        try
        {
            var throttle = new ProgressThrottle();
            var follower = new MigrationFollower { Lost = loss => queue.Post(() => WriteLoss(migration, loss)) };
            await foreach (MigrationStatus next in follower.FollowAsync(migration, limit).ConfigureAwait(false))
            {
                status = next;
                if (next.State == Engine.Migration.MigrationState.PostcopyPaused) break;
                if (throttle.Admits(next)) queue.Post(() => cmdlet.WriteProgress(MigrationProgressRecord.Create(next)));
            }

            queue.Post(() => WriteOutcome(status));
        }
        catch (OperationCanceledException) when (!pipelineStop.IsCancellationRequested)
        {
            queue.Post(() => WriteTimeout(migration.Title, status));
        }
        catch (OperationCanceledException) when (CancelsOnStop)
        {
            // The pipeline's token is used up; the source host ends a cancellation by itself. That it came too late nobody is left to hear.
            await MigrationCancellation.EndAsync(migration, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        catch (MigrationException exception)
        {
            queue.Post(() => EndProgress(status));
            queue.Post(() => cmdlet.WriteError(MigrationError.ToRecord(exception, VmMigrationOperation.From(status))));
        }
    }

    private void WriteOutcome(MigrationStatus status)
    {
        VmMigrationOperation operation = VmMigrationOperation.From(status);
        foreach (string fallback in status.Result?.Fallbacks ?? []) cmdlet.WriteVerbose($"{status.VmName}: {fallback}");
        if (!status.HasEnded) EndProgress(status);
        if (operation.State == MigrationState.Completed) cmdlet.WriteObject(operation);
        else cmdlet.WriteError(MigrationError.ToRecord(status, operation));
    }

    private void WriteLoss(LocatedMigration migration, MigrationException loss) => cmdlet.WriteWarning(
        $"The {migration.Title} goes on out of sight, and is followed again as soon as {migration.Host.Name} answers: {loss.Message}");

    private void WriteTimeout(string title, MigrationStatus status)
    {
        EndProgress(status);
        cmdlet.WriteError(MigrationError.ToRecord(
            new MigrationException(MigrationErrorReason.TimedOut, $"The {title} is still in state {status.State}; it goes on.",
                "Wait again with Wait-VmMigration, or cancel it with Stop-VmMigration."),
            VmMigrationOperation.From(status)));
    }

    /// <summary>Takes the bar away of a migration that is no longer waited for.</summary>
    private void EndProgress(MigrationStatus status)
    {
        ProgressRecord progress = MigrationProgressRecord.Create(status);
        progress.RecordType = ProgressRecordType.Completed;
        cmdlet.WriteProgress(progress);
    }
}
