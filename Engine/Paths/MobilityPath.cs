namespace VmMigration.Engine.Paths;

/// <summary>A mobility path as the session that made or listed it sees it. Serializable.</summary>
/// <param name="PathId">Id of the path on all hosts that take part.</param>
/// <param name="Kind">How it keeps traffic apart.</param>
/// <param name="SourceHostName">Name of the host that connects.</param>
/// <param name="DestinationHostName">Name of the host that is connected to.</param>
/// <param name="GatewayHostName">Name of the gateway; null where the kind needs none.</param>
/// <param name="Ends">The ends, each with the name of the host that has it; not complete where a host was not asked.</param>
public sealed record MobilityPath(
    Guid PathId, MobilityPathKind Kind, string SourceHostName, string DestinationHostName, string? GatewayHostName,
    IReadOnlyDictionary<string, MobilityPathEnd> Ends)
{
    /// <summary>What making all ends took, as the session that made it measured; null for one that was only listed.</summary>
    public TimeSpan? SetupTime { get; init; }
}
