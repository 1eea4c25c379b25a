namespace VmMigration.Engine.Paths;

/// <summary>
/// Asks a host for its end of a mobility path. Each host is told the physical addresses its end needs and no others. Serializable.
/// </summary>
public sealed record MobilityPathRequest
{
    /// <summary>Id of the path on all hosts that take part.</summary>
    public required Guid PathId { get; init; }

    /// <summary>How it keeps traffic apart; not <see cref="MobilityPathKind.Direct"/>, which needs no end.</summary>
    public required MobilityPathKind Kind { get; init; }

    /// <summary>What this host is to the path.</summary>
    public required MobilityPathRole Role { get; init; }

    /// <summary>Name of the host that connects.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>Name of the host that is connected to.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>Name of the gateway; null where the kind needs none.</summary>
    public string? GatewayHostName { get; init; }

    /// <summary>Virtual IP address of the source, as the destination sees it.</summary>
    public required string SourceVirtualAddress { get; init; }

    /// <summary>Virtual IP address of the destination, as the source sees it.</summary>
    public required string DestinationVirtualAddress { get; init; }

    /// <summary>TCP port the destination listens on for this path, 1024 to 65,535; the same on all hosts.</summary>
    public required int DataPort { get; init; }

    /// <summary>VXLAN network identifier, 1 to 16,777,215; 0 where the kind is no overlay.</summary>
    public int NetworkIdentifier { get; init; }

    /// <summary>Physical IP address of this host that the path is built on; at a gateway null.</summary>
    public string? LocalAddress { get; init; }

    /// <summary>Overlay: physical address of the other host. Nat: the gateway's address on this host's side; null for an existing route.</summary>
    public string? RemoteAddress { get; init; }

    /// <summary>Physical address of the source; at a gateway only.</summary>
    public string? SourceAddress { get; init; }

    /// <summary>Physical address of the destination; at a gateway only.</summary>
    public string? DestinationAddress { get; init; }
}
