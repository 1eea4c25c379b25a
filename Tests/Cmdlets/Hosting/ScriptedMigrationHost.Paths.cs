using System.Collections.Concurrent;
using VmMigration.Engine.Paths;
using EngineEnd = VmMigration.Engine.Paths.MobilityPathEnd;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>Ends of mobility paths that nothing is made for: hosted tests run without the right to change a network.</summary>
internal sealed partial class ScriptedMigrationHost
{
    private readonly ConcurrentDictionary<Guid, EngineEnd> pathEnds = new();

    /// <summary>Why the host says it cannot take part in an overlay; null where it can.</summary>
    public string? OverlayObstacle { get; set; }

    /// <summary>What a probe of a path finds.</summary>
    public TimeSpan? RoundTrip { get; set; } = TimeSpan.FromMilliseconds(1.5);

    public Task<EngineEnd> PreparePathAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        var end = new EngineEnd(request, Engine.Paths.MobilityPathState.Ready, DateTimeOffset.UtcNow, TimeSpan.FromMilliseconds(12))
        {
            Resources = [$"device of {Name}"],
        };
        return Task.FromResult(pathEnds.GetOrAdd(request.PathId, end));
    }

    /// <summary>Has a migration use all ends.</summary>
    public void UsePaths(Guid migrationId)
    {
        foreach ((Guid id, EngineEnd end) in pathEnds)
        {
            pathEnds[id] = end with { State = Engine.Paths.MobilityPathState.InUse, MigrationId = migrationId };
        }
    }

    public Task<IReadOnlyList<EngineEnd>> ListPathsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<EngineEnd>>([.. pathEnds.Values]);

    public Task<TimeSpan?> ProbePathAsync(Guid pathId, CancellationToken cancellationToken) => Task.FromResult(RoundTrip);

    public Task RemovePathAsync(Guid pathId, CancellationToken cancellationToken)
    {
        if (pathEnds.TryGetValue(pathId, out EngineEnd? end) && end.MigrationId is { } migrationId)
        {
            throw new Engine.MigrationException(
                Engine.MigrationErrorReason.InvalidState, $"Migration {migrationId} uses path {pathId}.", "Wait for its end.");
        }

        pathEnds.TryRemove(pathId, out _);
        return Task.CompletedTask;
    }
}
