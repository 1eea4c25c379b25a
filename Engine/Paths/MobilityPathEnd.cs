namespace VmMigration.Engine.Paths;

/// <summary>A snapshot of one host's end of a mobility path. Serializable.</summary>
/// <param name="Request">What it was made from.</param>
/// <param name="State">Where it stands.</param>
/// <param name="MadeAt">When it was made.</param>
/// <param name="SetupTime">What making it took.</param>
public sealed record MobilityPathEnd(MobilityPathRequest Request, MobilityPathState State, DateTimeOffset MadeAt, TimeSpan SetupTime)
{
    /// <summary>The migration that uses it; null where none does.</summary>
    public Guid? MigrationId { get; init; }

    /// <summary>Names of what the host's kernel has for it: devices, namespaces, tables, addresses, routes.</summary>
    public IReadOnlyList<string> Resources { get; init; } = [];

    /// <summary>What went wrong with it; null where nothing did.</summary>
    public string? Failure { get; init; }
}
