using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using EnginePath = VmMigration.Engine.Paths.MobilityPath;
using EnginePathEnd = VmMigration.Engine.Paths.MobilityPathEnd;

namespace VmMigration.Cmdlets;

/// <summary>Finds mobility paths by the ends that the hosts of this session have.</summary>
internal static class MobilityPathLookup
{
    /// <summary>All paths, oldest first.</summary>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<MobilityPath>> FindAllAsync(TimeSpan? limit, CancellationToken cancellationToken)
    {
        HostAnswers<(IMigrationHost Host, EnginePathEnd Item)> ends = await HostRegistry.AskAllAsync(
            HostRegistry.All(), (host, token) => host.ListPathsAsync(token), limit, cancellationToken).ConfigureAwait(false);
        return ends.With<MobilityPath>([.. ends.Items
            .GroupBy(end => end.Item.Request.PathId)
            .Select(Join)
            .OrderBy(path => path.MadeAt)]);
    }

    /// <summary>The path of this id.</summary>
    public static async Task<HostAnswers<MobilityPath>> FindByIdAsync(Guid id, CancellationToken cancellationToken)
    {
        HostAnswers<MobilityPath> found = await FindAllAsync(limit: null, cancellationToken).ConfigureAwait(false);
        return found.With<MobilityPath>([.. found.Items.Where(path => path.Id == id)]).RequireSome(() => new(
            MigrationErrorReason.InvalidArgument, $"No host of this session has an end of a mobility path {id}.",
            "Get-MobilityPath lists the paths; one that a migration used goes when that ends."));
    }

    /// <summary>The hosts of this session that have an end of the path.</summary>
    public static IReadOnlyList<IMigrationHost> HostsOf(MobilityPath path) =>
        [.. path.Ends.Select(end => HostRegistry.Get(end.HostName))];

    private static MobilityPath Join(IGrouping<Guid, (IMigrationHost Host, EnginePathEnd Item)> ends)
    {
        Engine.Paths.MobilityPathRequest request = ends.First().Item.Request;
        return MobilityPath.From(new EnginePath(
            request.PathId, request.Kind, request.SourceHostName, request.DestinationHostName,
            ends.Select(end => end.Item.Request.GatewayHostName).FirstOrDefault(name => name is not null),
            ends.ToDictionary(end => end.Host.Name, end => end.Item)));
    }
}
