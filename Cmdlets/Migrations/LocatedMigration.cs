using System.Runtime.CompilerServices;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>A migration together with the source host that drives it.</summary>
internal sealed record LocatedMigration(IMigrationHost Host, MigrationStatus Status) : HostOperation(Host)
{
    public override Guid Id => Status.Id;

    public override string Noun => "VmMigration";

    public override string Title => $"migration of {Status.VmName} from {Status.SourceHostName} to {Status.DestinationHostName}";

    public override string JobName => $"Migrate {Status.VmName}";

    public override OperationReport Report => ReportOf(Status);

    public override async IAsyncEnumerable<OperationReport> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (MigrationStatus status in Host.WatchMigrationAsync(Id, cancellationToken).ConfigureAwait(false))
        {
            yield return ReportOf(status);
        }
    }

    public override async Task<OperationReport> ReadAsync(CancellationToken cancellationToken) =>
        ReportOf(await Host.GetMigrationAsync(Id, cancellationToken).ConfigureAwait(false));

    public override Task CancelAsync(CancellationToken cancellationToken) => Host.CancelMigrationAsync(Id, cancellationToken);

    private static OperationReport ReportOf(MigrationStatus status)
    {
        bool isCompleted = status.State == Engine.Migration.MigrationState.Completed;
        bool standsStill = status.State == Engine.Migration.MigrationState.PostcopyPaused;
        return new()
        {
            Snapshot = VmMigrationOperation.From(status),
            State = (MigrationState)status.State,
            HasEnded = status.HasEnded,
            IsCompleted = isCompleted,
            StandsStill = standsStill,
            WasCancelled = status.ErrorReason == Engine.MigrationErrorReason.Cancelled,
            Progress = MigrationProgressRecord.Create(status),
            Remarks = status.Result?.Fallbacks ?? [],
            Failure = standsStill || (status.HasEnded && !isCompleted) ? MigrationError.FailureOf(status) : null,
        };
    }
}
