using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>The ends of mobility paths that one host has.</summary>
internal sealed class LocalHostPaths(VmRegistry registry)
{
    /// <inheritdoc cref="IMigrationHost.PreparePathAsync"/>
    public Task<MobilityPathEnd> PrepareAsync(MobilityPathRequest request, CancellationToken cancellationToken) => throw NotYet();

    /// <inheritdoc cref="IMigrationHost.ListPathsAsync"/>
    public Task<IReadOnlyList<MobilityPathEnd>> ListAsync(CancellationToken cancellationToken)
    {
        registry.RequireOpen();
        return Task.FromResult<IReadOnlyList<MobilityPathEnd>>([]);
    }

    /// <inheritdoc cref="IMigrationHost.ProbePathAsync"/>
    public Task<TimeSpan?> ProbeAsync(Guid pathId, CancellationToken cancellationToken) => throw NotYet();

    /// <inheritdoc cref="IMigrationHost.RemovePathAsync"/>
    public Task RemoveAsync(Guid pathId, CancellationToken cancellationToken) => throw NotYet();

    private MigrationException NotYet()
    {
        registry.RequireOpen();
        return new(MigrationErrorReason.PrerequisiteMissing, "not yet.");
    }
}
