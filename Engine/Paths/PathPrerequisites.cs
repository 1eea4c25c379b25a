using System.Collections.Concurrent;

namespace VmMigration.Engine.Paths;

/// <summary>What a host can take part in. A trial that succeeded is not repeated; one that failed is, since the reason may be mended.</summary>
internal sealed class PathPrerequisites(IReadOnlyList<IMobilityPathProvider> providers, IMobilityPathProvider gateway)
{
    private readonly ConcurrentDictionary<IMobilityPathProvider, byte> proven = new();

    /// <summary>Per kind: null where the host can be source and destination, else why not.</summary>
    public async Task<IReadOnlyDictionary<MobilityPathKind, string?>> FindObstaclesAsync(CancellationToken cancellationToken) =>
        new Dictionary<MobilityPathKind, string?>
        {
            [MobilityPathKind.Direct] = null,
            [MobilityPathKind.Overlay] = await FindObstacleAsync(MobilityPathKind.Overlay, cancellationToken).ConfigureAwait(false),
            [MobilityPathKind.Nat] = await FindObstacleAsync(MobilityPathKind.Nat, cancellationToken).ConfigureAwait(false),
        };

    /// <summary>Why the host cannot be a gateway; null where it can.</summary>
    public Task<string?> FindGatewayObstacleAsync(CancellationToken cancellationToken) => FindObstacleAsync(gateway, cancellationToken);

    /// <summary>Why a provider cannot work here; null where it can.</summary>
    public async Task<string?> FindObstacleAsync(IMobilityPathProvider provider, CancellationToken cancellationToken)
    {
        if (proven.ContainsKey(provider)) return null;
        string? obstacle = await provider.FindObstacleAsync(cancellationToken).ConfigureAwait(false);
        if (obstacle is null) proven[provider] = 0;
        return obstacle;
    }

    private Task<string?> FindObstacleAsync(MobilityPathKind kind, CancellationToken cancellationToken) =>
        FindObstacleAsync(providers.First(provider => provider.Makes(kind, MobilityPathRole.Source)), cancellationToken);
}
