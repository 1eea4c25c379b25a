using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>
/// Waits for operations at once, with one time limit: writes those that completed, as they do, and an error about each that did not. One
/// that stands still is an error at once: it would not end by itself, and whoever can resume it is waiting here.
/// Ending the wait leaves the operations alone, for their hosts drive them, unless they are to be cancelled when the pipeline stops.
/// </summary>
internal sealed class OperationWait(MigrationCmdlet cmdlet)
{
    /// <summary>Cancel the operations when the pipeline is stopped, and end only when they have ended.</summary>
    public bool CancelsOnStop { get; init; }

    /// <summary>What is waited for besides the end; null waits for that only.</summary>
    public Func<OperationReport, bool>? IsEnough { get; init; }

    /// <param name="operations">What to wait for.</param>
    /// <param name="timeout">Limit for all of them together; null waits as long as it takes.</param>
    public void WaitForAll(IReadOnlyList<HostOperation> operations, TimeSpan? timeout)
    {
        if (operations.Count == 0) return;
        cmdlet.Attempt(null, async (queue, token) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(token);
            if (timeout is { } time) limit.CancelAfter(time);
            await Task.WhenAll(operations.Select(operation => WaitForAsync(operation, queue, limit.Token, token))).ConfigureAwait(false);
        });
    }

    private async Task WaitForAsync(HostOperation operation, PipelineQueue queue, CancellationToken limit, CancellationToken pipelineStop)
    {
        OperationReport report = operation.Report;
        try
        {
            var throttle = new ProgressThrottle();
            var follower = new OperationFollower { Lost = loss => queue.Post(() => WriteLoss(operation, loss)) };
            await foreach (OperationReport next in follower.FollowAsync(operation, limit).ConfigureAwait(false))
            {
                report = next;
                if (next.StandsStill || (!next.HasEnded && IsEnough?.Invoke(next) == true)) break;
                if (throttle.Admits(next)) queue.Post(() => cmdlet.WriteProgress(next.Progress));
            }

            queue.Post(() => WriteOutcome(operation, report));
        }
        catch (OperationCanceledException) when (!pipelineStop.IsCancellationRequested)
        {
            queue.Post(() => WriteTimeout(operation, report));
        }
        catch (OperationCanceledException) when (CancelsOnStop)
        {
            // The pipeline's token is used up; the host ends a cancellation by itself. That it came too late nobody is left to hear.
            await OperationCancellation.EndAsync(operation, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        catch (MigrationException exception)
        {
            queue.Post(() => EndProgress(report));
            queue.Post(() => cmdlet.WriteError(MigrationError.ToRecord(exception, report.Snapshot)));
        }
    }

    private void WriteOutcome(HostOperation operation, OperationReport report)
    {
        foreach (string remark in report.Remarks) cmdlet.WriteVerbose($"{operation.Title}: {remark}");
        if (!report.HasEnded) EndProgress(report);
        if (report.Failure is null) cmdlet.WriteObject(report.Snapshot);
        else cmdlet.WriteError(report.ToError());
    }

    private void WriteLoss(HostOperation operation, MigrationException loss) => cmdlet.WriteWarning(
        $"The {operation.Title} goes on out of sight, and is followed again as soon as {operation.Host.Name} answers: {loss.Message}");

    private void WriteTimeout(HostOperation operation, OperationReport report)
    {
        EndProgress(report);
        cmdlet.WriteError(MigrationError.ToRecord(
            new MigrationException(MigrationErrorReason.TimedOut, $"The {operation.Title} is still in state {report.State}; it goes on.",
                $"Wait again with Wait-{operation.Noun}, or cancel it with Stop-{operation.Noun}."),
            report.Snapshot));
    }

    /// <summary>Takes the bar away of an operation that is no longer waited for.</summary>
    private void EndProgress(OperationReport report)
    {
        report.Progress.RecordType = ProgressRecordType.Completed;
        cmdlet.WriteProgress(report.Progress);
    }
}
