namespace VmMigration.Cmdlets;

/// <summary>What one host has of a mobility path.</summary>
public sealed record MobilityPathEnd
{
    /// <summary>The host.</summary>
    public required string HostName { get; init; }

    /// <summary>What the host is to the path.</summary>
    public required MobilityPathRole Role { get; init; }

    /// <summary>Where this end stood.</summary>
    public required MobilityPathState State { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>What making it took on that host.</summary>
    public required TimeSpan SetupTime { get; init; }

    /// <summary>The migration that uses it; null where none does.</summary>
    public Guid? MigrationId { get; init; }

    /// <summary>Names of what the host's kernel has for it: devices, namespaces, tables, addresses, routes.</summary>
    public IReadOnlyList<string> Resources { get; init; } = [];

    /// <summary>What went wrong with it; null where nothing did.</summary>
    public string? Failure { get; init; }

    /// <summary>The host and what it is to the path.</summary>
    public override string ToString() => $"{HostName} ({Role})";

    internal static MobilityPathEnd From(string hostName, Engine.Paths.MobilityPathEnd end) => new()
    {
        HostName = hostName,
        Role = (MobilityPathRole)end.Request.Role,
        State = (MobilityPathState)end.State,
        MadeAt = end.MadeAt,
        SetupTime = end.SetupTime,
        MigrationId = end.MigrationId,
        Resources = end.Resources,
        Failure = end.Failure,
    };
}
