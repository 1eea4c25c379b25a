using Grpc.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the life of the host's VMs.</summary>
internal sealed class VmService(IMigrationHost host) : Contract.Vms.VmsBase
{
    public override async Task<Contract.VmDescription> Create(Contract.CreateVmRequest request, ServerCallContext context) =>
        (await host.CreateVmAsync(
            MessageFields.Required(request.Specification, "CreateVmRequest.specification").ToRecord(), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.VmDescription> Register(Contract.RegisterVmRequest request, ServerCallContext context) =>
        (await host.RegisterVmAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ListVmsResponse> List(Contract.ListVmsRequest request, ServerCallContext context)
    {
        IReadOnlyList<VmDescription> vms = await host.ListVmsAsync(context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListVmsResponse();
        response.Vms.Add(vms.Select(vm => vm.ToMessage()));
        return response;
    }

    public override async Task<Contract.ListVmDisksResponse> ListDisks(Contract.ListVmDisksRequest request, ServerCallContext context)
    {
        IReadOnlyList<VmDisk> disks = await host.ListVmDisksAsync(
            MessageFields.ToGuid(request.VmId, "ListVmDisksRequest.vm_id"), context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListVmDisksResponse();
        response.Disks.Add(disks.Select(disk => disk.ToMessage()));
        return response;
    }

    public override async Task<Contract.VmDescription> Get(Contract.GetVmRequest request, ServerCallContext context) =>
        (await host.GetVmAsync(MessageFields.ToGuid(request.VmId, "GetVmRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.VmDescription> Start(Contract.StartVmRequest request, ServerCallContext context) =>
        (await host.StartVmAsync(MessageFields.ToGuid(request.VmId, "StartVmRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.VmDescription> Stop(Contract.StopVmRequest request, ServerCallContext context) =>
        (await host.StopVmAsync(MessageFields.ToGuid(request.VmId, "StopVmRequest.vm_id"), request.Force, context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.VmDescription> Pause(Contract.PauseVmRequest request, ServerCallContext context) =>
        (await host.PauseVmAsync(MessageFields.ToGuid(request.VmId, "PauseVmRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.VmDescription> Resume(Contract.ResumeVmRequest request, ServerCallContext context) =>
        (await host.ResumeVmAsync(MessageFields.ToGuid(request.VmId, "ResumeVmRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.RemoveVmResponse> Remove(Contract.RemoveVmRequest request, ServerCallContext context)
    {
        await host.RemoveVmAsync(MessageFields.ToGuid(request.VmId, "RemoveVmRequest.vm_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new();
    }
}
