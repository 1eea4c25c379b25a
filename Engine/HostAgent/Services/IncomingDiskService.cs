using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host as the destination of disks.</summary>
internal sealed class IncomingDiskService(IMigrationHost host) : Contract.IncomingDisks.IncomingDisksBase
{
    public override async Task<Contract.IncomingDiskOffer> Prepare(Contract.IncomingDiskRequest request, ServerCallContext context) =>
        (await host.Disks.PrepareIncomingDiskAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.WithdrawIncomingDiskResponse> Withdraw(
        Contract.WithdrawIncomingDiskRequest request, ServerCallContext context)
    {
        await host.Disks.WithdrawIncomingDiskAsync(
            MessageFields.ToGuid(request.TransferId, "WithdrawIncomingDiskRequest.transfer_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new();
    }
}
