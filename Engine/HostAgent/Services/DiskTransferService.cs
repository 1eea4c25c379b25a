using Grpc.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host as the source of disks.</summary>
internal sealed class DiskTransferService(IMigrationHost host) : Contract.DiskTransfers.DiskTransfersBase
{
    public override async Task<Contract.DiskTransferStatus> Start(Contract.DiskTransferRequest request, ServerCallContext context) =>
        (await host.Disks.StartDiskTransferAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ListDiskTransfersResponse> List(
        Contract.ListDiskTransfersRequest request, ServerCallContext context)
    {
        IReadOnlyList<DiskTransferStatus> transfers =
            await host.Disks.ListDiskTransfersAsync(context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListDiskTransfersResponse();
        response.Transfers.Add(transfers.Select(transfer => transfer.ToMessage()));
        return response;
    }

    public override async Task<Contract.DiskTransferStatus> Get(Contract.GetDiskTransferRequest request, ServerCallContext context) =>
        (await host.Disks.GetDiskTransferAsync(
            MessageFields.ToGuid(request.TransferId, "GetDiskTransferRequest.transfer_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task Watch(
        Contract.WatchDiskTransferRequest request, IServerStreamWriter<Contract.DiskTransferStatus> responseStream,
        ServerCallContext context)
    {
        Guid transferId = MessageFields.ToGuid(request.TransferId, "WatchDiskTransferRequest.transfer_id");
        await foreach (DiskTransferStatus status in
            host.Disks.WatchDiskTransferAsync(transferId, context.CancellationToken).ConfigureAwait(false))
        {
            await responseStream.WriteAsync(status.ToMessage(), context.CancellationToken).ConfigureAwait(false);
        }
    }

    public override async Task<Contract.DiskTransferStatus> Suspend(Contract.SuspendDiskTransferRequest request, ServerCallContext context) =>
        (await host.Disks.SuspendDiskTransferAsync(
            MessageFields.ToGuid(request.TransferId, "SuspendDiskTransferRequest.transfer_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.DiskTransferStatus> Resume(Contract.ResumeDiskTransferRequest request, ServerCallContext context) =>
        (await host.Disks.ResumeDiskTransferAsync(
            MessageFields.ToGuid(request.TransferId, "ResumeDiskTransferRequest.transfer_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.DiskTransferStatus> Cancel(Contract.CancelDiskTransferRequest request, ServerCallContext context) =>
        (await host.Disks.CancelDiskTransferAsync(
            MessageFields.ToGuid(request.TransferId, "CancelDiskTransferRequest.transfer_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();
}
