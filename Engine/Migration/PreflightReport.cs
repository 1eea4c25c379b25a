using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>Whether and how a VM can move to a host, before anything is changed. Serializable.</summary>
/// <param name="VmId">The VM.</param>
/// <param name="VmName">Its name.</param>
/// <param name="SourceHostName">Where it is.</param>
/// <param name="DestinationHostName">Where it is to go.</param>
/// <param name="Contents">Whether the engine will move the memory, or the hypervisor's own migration.</param>
/// <param name="Findings">What was found; empty means nothing worth saying.</param>
public sealed record PreflightReport(
    Guid VmId, string VmName, string SourceHostName, string DestinationHostName, StateContents Contents,
    IReadOnlyList<PreflightFinding> Findings)
{
    /// <summary>Whether the migration can be started.</summary>
    public bool CanMigrate => Findings.All(finding => finding.Severity != PreflightSeverity.Error);
}
