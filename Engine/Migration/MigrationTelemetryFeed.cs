using System.Diagnostics;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Turns the statuses of one migration into metrics and activities: a root for the migration and a child for each phase it goes through.
/// Called with one status after the other, never side by side.
/// </summary>
internal sealed class MigrationTelemetryFeed
{
    private readonly Activity? whole;
    private Activity? phase;
    private MigrationState state;
    private long bytesSent;

    public MigrationTelemetryFeed(MigrationStatus initial)
    {
        whole = Start("migrate VM", Activity.Current?.Context ?? default);
        whole?.SetTag("vm_migration.id", initial.Id).SetTag("vm_migration.vm.id", initial.VmId).SetTag("vm_migration.vm.name", initial.VmName)
            .SetTag("vm_migration.source", initial.SourceHostName).SetTag("vm_migration.destination", initial.DestinationHostName);
        Observe(initial);
    }

    /// <summary>Takes the next status.</summary>
    public void Observe(MigrationStatus status)
    {
        if (status.State != state) MoveTo(status);
        long sent = status.Result?.BytesSent ?? status.Progress.BytesSent;
        MigrationMetrics.Report(this, status.Progress, sent - bytesSent);
        bytesSent = Math.Max(bytesSent, sent);
        if (status.HasEnded) End(status);
    }

    /// <summary>Nobody drives the migration any more; where it has not ended, it stays without an outcome.</summary>
    public void Leave()
    {
        MigrationMetrics.Forget(this);
        phase?.Stop();
        whole?.Stop();
    }

    private void MoveTo(MigrationStatus status)
    {
        phase?.Stop();
        phase = null;
        state = status.State;
        if (!status.HasEnded && whole is not null) phase = Start(NameOf(state), whole.Context);
    }

    private void End(MigrationStatus status)
    {
        MigrationMetrics.End(this, status);
        if (whole is null) return;
        whole.SetTag("vm_migration.outcome", status.State.ToString()).SetTag("vm_migration.sent", bytesSent);
        if (status.Result is { } result)
        {
            whole.SetTag("vm_migration.downtime", result.Downtime.TotalSeconds).SetTag("vm_migration.passes", result.Passes);
        }

        if (status.ErrorReason != MigrationErrorReason.Invalid)
        {
            whole.SetTag("error.type", status.ErrorReason.ToString()).SetStatus(ActivityStatusCode.Error, status.ErrorMessage);
        }

        whole.Stop();
    }

    /// <summary>Starts an activity without making it the current one: what comes after a status belongs to its caller.</summary>
    private static Activity? Start(string name, ActivityContext parent)
    {
        Activity? current = Activity.Current;
        Activity? started = MigrationTelemetry.Activities.StartActivity(name, ActivityKind.Internal, parent);
        Activity.Current = current;
        return started;
    }

    private static string NameOf(MigrationState state) => state switch
    {
        MigrationState.Setup => "setup",
        MigrationState.Precopy => "precopy",
        MigrationState.Switchover => "switchover",
        MigrationState.Postcopy => "postcopy",
        _ => "postcopy paused",
    };
}
