namespace VmMigration.Engine.Paths;

/// <summary>Makes the ends of one kind of path for some of its roles.</summary>
internal interface IMobilityPathProvider
{
    /// <summary>Whether it makes such ends.</summary>
    bool Makes(MobilityPathKind kind, MobilityPathRole role);

    /// <summary>Tries in a throw-away network whether it can make them; says why not and what to install, or null.</summary>
    Task<string?> FindObstacleAsync(CancellationToken cancellationToken);

    /// <summary>Makes an end; where this throws, nothing of it is left.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where its numbers are in use here, which others may not be.
    /// </exception>
    Task<PreparedPathEnd> PrepareAsync(MobilityPathRequest request, CancellationToken cancellationToken);

    /// <summary>Removes what a killed engine left of an end; does nothing where nothing is left.</summary>
    Task RemoveLeftoverAsync(MobilityPathRequest request, CancellationToken cancellationToken);
}
