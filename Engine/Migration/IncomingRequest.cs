using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Migration;

/// <summary>Asks a host to get ready for a VM that is to arrive. Serializable.</summary>
/// <param name="MigrationId">Id of the migration on both hosts.</param>
/// <param name="Specification">What to make the incoming VM from.</param>
/// <param name="Contents">Whether the engine moves the memory or the hypervisor's own state holds it.</param>
/// <param name="Options">How the migration is to be done.</param>
/// <param name="SourceHostName">Name of the host it comes from, for logs.</param>
public sealed record IncomingRequest(
    Guid MigrationId, VmSpecification Specification, StateContents Contents, MigrationOptions Options, string SourceHostName)
{
    /// <summary>How many poisoned pages of the VM are known at the source: the destination must be able to make as many fail.</summary>
    public int PoisonedPageCount { get; init; }

    /// <summary>The mobility path the VM arrives over, prepared on this host before; null for the ordinary network.</summary>
    public Guid? PathId { get; init; }

    /// <summary>
    /// With <see cref="MigrationOptions.IncludeDisks"/> the VM's disks at the source, in the order of its specification: the preflight check
    /// looks at them. What is copied in the end is described anew by the source.
    /// </summary>
    public IReadOnlyList<VmDisk> Disks { get; init; } = [];
}
