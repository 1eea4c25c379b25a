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

    public override bool HasMoreData => Output.Count + Error.Count + Progress.Count > 0;

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
        if (JobStateInfo.State is not JobState.Running) return;
        isStopRequested = true;
        try
        {
            Task.Run(() => migration.Host.CancelMigrationAsync(status.Id, disposal.Token)).GetAwaiter().GetResult();
        }
        catch (MigrationException exception)
        {
            // Too late to cancel: the job ends the way the migration does.
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
            await foreach (MigrationStatus next in migration.Host.WatchMigrationAsync(status.Id, disposal.Token).ConfigureAwait(false))
            {
                status = next;
                if (throttle.Admits(next)) Progress.Add(MigrationProgressRecord.Create(next));
            }

            outcome = ReportEnd();
        }
        catch (OperationCanceledException)
        {
            // The job was removed; nobody looks at it any more.
            outcome = JobState.Stopped;
        }
        catch (MigrationException exception)
        {
            Error.Add(MigrationError.ToRecord(exception, VmMigrationOperation.From(status)));
            outcome = JobState.Failed;
        }

        SetJobState(outcome);
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
