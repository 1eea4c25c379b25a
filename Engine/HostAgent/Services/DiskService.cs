using Grpc.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host's disks, and what is left of those that did not arrive whole.</summary>
internal sealed class DiskService(IMigrationHost host) : Contract.Disks.DisksBase
{
    public override async Task<Contract.DiskDescription> Describe(Contract.DescribeDiskRequest request, ServerCallContext context) =>
        (await host.Disks.DescribeDiskAsync(
            MessageFields.RequiredText(request.Path, "DescribeDiskRequest.path"), context.CancellationToken)
            .ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ListDiskFragmentsResponse> ListFragments(
        Contract.ListDiskFragmentsRequest request, ServerCallContext context)
    {
        IReadOnlyList<DiskFragment> fragments =
            await host.Disks.ListDiskFragmentsAsync(context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListDiskFragmentsResponse();
        response.Fragments.Add(fragments.Select(fragment => fragment.ToMessage()));
        return response;
    }

    public override async Task<Contract.RemoveDiskFragmentResponse> RemoveFragment(
        Contract.RemoveDiskFragmentRequest request, ServerCallContext context)
    {
        await host.Disks.RemoveDiskFragmentAsync(
            MessageFields.ToGuid(request.FragmentId, "RemoveDiskFragmentRequest.fragment_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new();
    }
}
