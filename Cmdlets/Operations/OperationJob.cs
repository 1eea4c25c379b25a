using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>
/// Follows an operation as a PowerShell job. Stopping the job cancels the operation; its output is the completed one.
/// </summary>
internal sealed class OperationJob : Job
{
    private readonly HostOperation operation;
    private readonly CancellationTokenSource disposal = new();
    private OperationReport report;
    private volatile bool isStopRequested;

    public OperationJob(string? command, HostOperation operation) : base(command, operation.JobName)
    {
        this.operation = operation;
        report = operation.Report;
        PSJobTypeName = operation.Noun;
    }

    public override bool HasMoreData => Output.Count + Error.Count + Warning.Count + Progress.Count > 0;

    public override string Location => operation.Host.Name;

    public override string StatusMessage => $"{report.State}, {report.Progress.PercentComplete} %";

    /// <summary>Starts following; the operation itself runs already.</summary>
    public void Start()
    {
        SetJobState(JobState.Running);
        _ = Task.Run(FollowAsync);
    }

    public override void StopJob()
    {
        if (JobStateInfo.State is not (JobState.Running or JobState.Blocked)) return;
        isStopRequested = true;
        try
        {
            // Too late to cancel: the job ends the way the operation does, or without it where it stands still.
            MigrationException? refusal =
                Task.Run(() => OperationCancellation.EndAsync(operation, disposal.Token)).GetAwaiter().GetResult();
            OperationReport now = Task.Run(() => operation.ReadAsync(disposal.Token)).GetAwaiter().GetResult();
            if (!now.HasEnded)
            {
                if (refusal is not null && Error.IsOpen) Error.Add(MigrationError.ToRecord(refusal, now.Snapshot));
                disposal.Cancel();
            }
        }
        catch (MigrationException exception)
        {
            // The host was closed, and with it the operation ended.
            Error.Add(MigrationError.ToRecord(exception, report.Snapshot));
        }

        Finished.WaitOne();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) disposal.Cancel();
        base.Dispose(disposing);
    }

    private async Task FollowAsync()
    {
        JobState outcome;
        try
        {
            var throttle = new ProgressThrottle();
            var follower = new OperationFollower { Lost = loss => Warning.Add(new WarningRecord(loss.Message)) };
            await foreach (OperationReport next in follower.FollowAsync(operation, disposal.Token).ConfigureAwait(false))
            {
                OperationReport before = report;
                report = next;
                ShowStandstill(before, next);
                if (throttle.Admits(next)) Progress.Add(next.Progress);
            }

            outcome = ReportEnd();
        }
        catch (OperationCanceledException)
        {
            // The job was removed, or stopped while the operation stood still; nobody looks at it any more.
            outcome = JobState.Stopped;
        }
        catch (MigrationException exception)
        {
            Error.Add(MigrationError.ToRecord(exception, report.Snapshot));
            outcome = JobState.Failed;
        }

        SetJobState(outcome);
    }

    /// <summary>An operation that stands still waits for somebody to act, which is what a blocked job means.</summary>
    private void ShowStandstill(OperationReport before, OperationReport now)
    {
        if (before.StandsStill == now.StandsStill) return;
        if (now is { StandsStill: true, Failure: { } standstill })
        {
            Warning.Add(new WarningRecord($"{standstill.Message} {standstill.RecommendedAction}"));
        }

        SetJobState(now.StandsStill ? JobState.Blocked : JobState.Running);
    }

    private JobState ReportEnd()
    {
        if (report.IsCompleted)
        {
            Output.Add(PSObject.AsPSObject(report.Snapshot));
            return JobState.Completed;
        }

        if (isStopRequested && report.WasCancelled) return JobState.Stopped;
        Error.Add(report.ToError());
        return JobState.Failed;
    }
}
