using VmMigration.Engine.Paths;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of a mobility path: the network a migration takes, apart from other traffic.</summary>
public sealed record MobilityPath
{
    /// <summary>Id of the path on all hosts that take part.</summary>
    public required Guid Id { get; init; }

    /// <summary>How it keeps traffic apart.</summary>
    public required MobilityPathKind Kind { get; init; }

    /// <summary>The host that connects.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>The host that is connected to.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>The gateway; null where the kind needs none.</summary>
    public string? GatewayHostName { get; init; }

    /// <summary>Where it stood: Failed where one end has, InUse where one is in use.</summary>
    public required MobilityPathState State { get; init; }

    /// <summary>Virtual IP address of the source, as the destination sees it.</summary>
    public required string SourceVirtualAddress { get; init; }

    /// <summary>Virtual IP address of the destination, as the source sees it.</summary>
    public required string DestinationVirtualAddress { get; init; }

    /// <summary>TCP port the destination listens on for this path.</summary>
    public required int DataPort { get; init; }

    /// <summary>When its last end was made.</summary>
    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>What making it took: all ends together where New-MobilityPath wrote it, else the slowest of the ends.</summary>
    public required TimeSpan SetupTime { get; init; }

    /// <summary>The migration that uses it; null where none does.</summary>
    public Guid? MigrationId { get; init; }

    /// <summary>What the hosts that were asked have of it.</summary>
    public required IReadOnlyList<MobilityPathEnd> Ends { get; init; }

    /// <summary>The kind and the two hosts.</summary>
    public override string ToString() => $"{Kind}: {SourceHostName} → {DestinationHostName}";

    internal static MobilityPath From(Engine.Paths.MobilityPath path)
    {
        // Every end was made from a request that names the same addresses and the same port.
        MobilityPathRequest request = path.Ends.Values.First().Request;
        MobilityPathEnd[] ends =
        [
            .. path.Ends.Select(entry => MobilityPathEnd.From(entry.Key, entry.Value))
                .OrderBy(end => end.Role).ThenBy(end => end.HostName, StringComparer.OrdinalIgnoreCase),
        ];
        return new()
        {
            Id = path.PathId,
            Kind = (MobilityPathKind)path.Kind,
            SourceHostName = path.SourceHostName,
            DestinationHostName = path.DestinationHostName,
            GatewayHostName = path.GatewayHostName,
            State = ends.Max(end => end.State),
            SourceVirtualAddress = request.SourceVirtualAddress,
            DestinationVirtualAddress = request.DestinationVirtualAddress,
            DataPort = request.DataPort,
            MadeAt = ends.Max(end => end.MadeAt),
            SetupTime = path.SetupTime ?? ends.Max(end => end.SetupTime),
            MigrationId = ends.Select(end => end.MigrationId).FirstOrDefault(id => id is not null),
            Ends = ends,
        };
    }
}
