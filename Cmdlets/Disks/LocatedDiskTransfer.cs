using System.Runtime.CompilerServices;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>A disk transfer together with the source host that drives it.</summary>
internal sealed record LocatedDiskTransfer(IMigrationHost Host, DiskTransferStatus Status) : HostOperation(Host)
{
    public override Guid Id => Status.Id;

    public override string Noun => "DiskTransfer";

    public override string Title => $"copy of {Status.SourcePath} from {Status.SourceHostName} to {Status.DestinationHostName}";

    public override string JobName => $"Copy {Path.GetFileName(Status.SourcePath)}";

    public override OperationReport Report => ReportOf(Status);

    public override async IAsyncEnumerable<OperationReport> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (DiskTransferStatus status in Host.Disks.WatchDiskTransferAsync(Id, cancellationToken).ConfigureAwait(false))
        {
            yield return ReportOf(status);
        }
    }

    public override async Task<OperationReport> ReadAsync(CancellationToken cancellationToken) =>
        ReportOf(await Host.Disks.GetDiskTransferAsync(Id, cancellationToken).ConfigureAwait(false));

    public override Task CancelAsync(CancellationToken cancellationToken) => Host.Disks.CancelDiskTransferAsync(Id, cancellationToken);

    private static OperationReport ReportOf(DiskTransferStatus status)
    {
        bool isCompleted = status.State == Engine.Disks.DiskTransferState.Completed;
        return new()
        {
            Snapshot = DiskTransfer.From(status),
            State = (DiskTransferState)status.State,
            HasEnded = status.HasEnded,
            IsCompleted = isCompleted,
            WasCancelled = status.State == Engine.Disks.DiskTransferState.Cancelled,
            Progress = DiskTransferProgressRecord.Create(status),
            Remarks = status.Resumption.Reason is { } reason ? [reason] : [],
            Failure = status.HasEnded && !isCompleted ? MigrationError.FailureOf(status) : null,
        };
    }
}
