using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts.Remote;

// Its ends of mobility paths.
public sealed partial class RemoteHost
{
    /// <inheritdoc/>
    public async Task<MobilityPathEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        Contract.MobilityPathRequest message = request.ToMessage();
        return (await calls.WriteAsync(
            options => paths.PrepareAsync(message, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<MobilityPathEnd>> ListPathsAsync(CancellationToken cancellationToken)
    {
        Contract.ListPathsResponse response = await calls.ReadAsync(
            options => paths.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Ends.Select(end => end.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken)
    {
        var request = new Contract.ProbePathRequest { PathId = pathId.ToString() };
        Contract.ProbePathResponse response = await calls.ReadAsync(
            options => paths.ProbeAsync(request, options), cancellationToken).ConfigureAwait(false);
        return MessageFields.ToOptionalTimeSpan(response.RoundTrip, "ProbePathResponse.round_trip");
    }

    /// <inheritdoc/>
    public Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken)
    {
        var request = new Contract.RemovePathRequest { PathId = pathId.ToString() };
        return calls.RepeatAsync(options => paths.RemoveAsync(request, options), cancellationToken);
    }
}
