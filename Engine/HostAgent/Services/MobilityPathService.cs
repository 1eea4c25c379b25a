using Grpc.Core;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Paths;
using Contract = VmMigration.Engine.Hosts.Remote.Contract;

namespace VmMigration.HostAgent.Services;

/// <summary>Serves the host's ends of mobility paths.</summary>
internal sealed class MobilityPathService(IMigrationHost host) : Contract.MobilityPaths.MobilityPathsBase
{
    public override async Task<Contract.MobilityPathEnd> Prepare(Contract.MobilityPathRequest request, ServerCallContext context) =>
        (await host.PreparePathAsync(request.ToRecord(), context.CancellationToken).ConfigureAwait(false)).ToMessage();

    public override async Task<Contract.ListPathsResponse> List(Contract.ListPathsRequest request, ServerCallContext context)
    {
        IReadOnlyList<MobilityPathEnd> ends = await host.ListPathsAsync(context.CancellationToken).ConfigureAwait(false);
        var response = new Contract.ListPathsResponse();
        response.Ends.Add(ends.Select(end => end.ToMessage()));
        return response;
    }

    public override async Task<Contract.ProbePathResponse> Probe(Contract.ProbePathRequest request, ServerCallContext context)
    {
        TimeSpan? roundTrip = await host.ProbePathAsync(
            MessageFields.ToGuid(request.PathId, "ProbePathRequest.path_id"), context.CancellationToken).ConfigureAwait(false);
        return new() { RoundTrip = roundTrip is { } time ? MessageFields.ToMessage(time) : null };
    }

    public override async Task<Contract.RemovePathResponse> Remove(Contract.RemovePathRequest request, ServerCallContext context)
    {
        await host.RemovePathAsync(MessageFields.ToGuid(request.PathId, "RemovePathRequest.path_id"), context.CancellationToken)
            .ConfigureAwait(false);
        return new();
    }
}
