using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Memory;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the memory of the host's VMs.</summary>
internal sealed class GuestMemoryService(IMigrationHost host) : Contract.GuestMemory.GuestMemoryBase
{
    public override async Task<Contract.PoisonedPages> ListPoisonedPages(
        Contract.ListPoisonedPagesRequest request, ServerCallContext context) =>
        (await host.ListPoisonedPagesAsync(
            MessageFields.ToGuid(request.VmId, "ListPoisonedPagesRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.PoisonedPages> AddPoisonedPages(
        Contract.AddPoisonedPagesRequest request, ServerCallContext context) =>
        (await host.AddPoisonedPagesAsync(
            MessageFields.ToGuid(request.VmId, "AddPoisonedPagesRequest.vm_id"), [.. request.GuestPhysicalAddresses],
            context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ReadLargePagesResponse> ReadLargePages(
        Contract.ReadLargePagesRequest request, ServerCallContext context)
    {
        LargePageCoverage? coverage = await host.ReadLargePagesAsync(
            MessageFields.ToGuid(request.VmId, "ReadLargePagesRequest.vm_id"), context.CancellationToken).ConfigureAwait(false);
        return new() { Coverage = coverage?.ToMessage() };
    }
}
