using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>
/// Follows a migration as a PowerShell job. Stopping the job cancels the migration; its output is the completed operation.
/// </summary>
internal sealed class VmMigrationJob : Job
{
    private readonly LocatedMigration migration;
    private readonly CancellationTokenSource disposal = new();
    private MigrationStatus status;
    private volatile bool isStopRequested;

    public VmMigrationJob(string? command, LocatedMigration migration) : base(command, $"Migrate {migration.Status.VmName}")
    {
        this.migration = migration;
        status = migration.Status;
        PSJobTypeName = "VmMigration";
    }

    public override bool HasMoreData => Output.Count + Error.Count + Warning.Count + Progress.Count > 0;

    public override string Location => migration.Status.SourceHostName;

    public override string StatusMessage => $"{status.State}, {MigrationProgressRecord.PercentOf(status)} %";

    /// <summary>Starts following; the migration itself runs already.</summary>
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
            // Too late to cancel: the job ends the way the migration does, or without it where it stands still.
            MigrationException? refusal =
                Task.Run(() => MigrationCancellation.EndAsync(migration, disposal.Token)).GetAwaiter().GetResult();
            MigrationStatus now = Task.Run(() => migration.Host.GetMigrationAsync(status.Id, disposal.Token)).GetAwaiter().GetResult();
            if (!now.HasEnded)
            {
                if (refusal is not null && Error.IsOpen) Error.Add(MigrationError.ToRecord(refusal, VmMigrationOperation.From(now)));
                disposal.Cancel();
            }
        }
        catch (MigrationException exception)
        {
            // The host was closed, and with it the migration ended.
            Error.Add(MigrationError.ToRecord(exception, VmMigrationOperation.From(status)));
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
            var follower = new MigrationFollower { Lost = loss => Warning.Add(new WarningRecord(loss.Message)) };
            await foreach (MigrationStatus next in follower.FollowAsync(migration, disposal.Token).ConfigureAwait(false))
            {
                MigrationStatus before = status;
                status = next;
                ShowStandstill(before, next);
                if (throttle.Admits(next)) Progress.Add(MigrationProgressRecord.Create(next));
            }

            outcome = ReportEnd();
        }
        catch (OperationCanceledException)
        {
            // The job was removed, or stopped while the migration stood still; nobody looks at it any more.
            outcome = JobState.Stopped;
        }
        catch (MigrationException exception)
        {
            Error.Add(MigrationError.ToRecord(exception, VmMigrationOperation.From(status)));
            outcome = JobState.Failed;
        }

        SetJobState(outcome);
    }

    /// <summary>A migration that stands still waits for somebody to act, which is what a blocked job means.</summary>
    private void ShowStandstill(MigrationStatus before, MigrationStatus now)
    {
        bool stood = before.State == Engine.Migration.MigrationState.PostcopyPaused;
        bool stands = now.State == Engine.Migration.MigrationState.PostcopyPaused;
        if (stood == stands) return;
        if (stands)
        {
            MigrationException standstill = MigrationError.Standstill(now);
            Warning.Add(new WarningRecord($"{standstill.Message} {standstill.RecommendedAction}"));
        }

        SetJobState(stands ? JobState.Blocked : JobState.Running);
    }

    private JobState ReportEnd()
    {
        VmMigrationOperation operation = VmMigrationOperation.From(status);
        if (operation.State == MigrationState.Completed)
        {
            Output.Add(PSObject.AsPSObject(operation));
            return JobState.Completed;
        }

        if (isStopRequested && status.ErrorReason == MigrationErrorReason.Cancelled) return JobState.Stopped;
        Error.Add(MigrationError.ToRecord(status, operation));
        return JobState.Failed;
    }
}
