namespace VmMigration.Cmdlets;

/// <summary>Whether and how a VM can move to a host. Pipe it into Start-VmMigration to migrate as it was checked.</summary>
public sealed record PreflightReport
{
    /// <summary>The VM.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>Where it is.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>Where it is to go.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>Whether the migration can be started.</summary>
    public required bool CanMigrate { get; init; }

    /// <summary>Whether the hypervisor's own migration will move the memory instead of the engine.</summary>
    public required bool UsesHypervisorMigration { get; init; }

    /// <summary>What was found; empty means nothing worth saying.</summary>
    public required IReadOnlyList<PreflightFinding> Findings { get; init; }

    /// <summary>The options the check was made with; a start from this report takes them over.</summary>
    public required VmMigrationOptions Options { get; init; }

    /// <summary>The mobility path the check was made with; a start from this report takes it. Null for the hosts' ordinary network.</summary>
    public MobilityPathReference? Path { get; init; }

    /// <summary>The gateway the check was made with; null where none was named.</summary>
    public MigrationHostReference? GatewayHost { get; init; }

    internal static PreflightReport From(Engine.Migration.PreflightReport report, Engine.Migration.MigrationOptions options) => new()
    {
        VmId = report.VmId,
        VmName = report.VmName,
        SourceHostName = report.SourceHostName,
        DestinationHostName = report.DestinationHostName,
        CanMigrate = report.CanMigrate,
        UsesHypervisorMigration = report.Contents == Engine.Hypervisors.StateContents.DevicesAndMemory,
        Findings = [.. report.Findings.Select(PreflightFinding.From)],
        Options = VmMigrationOptions.From(options),
    };
}
