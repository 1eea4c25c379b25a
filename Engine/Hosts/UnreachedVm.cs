using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>A process that may still run a VM, though the engine could not attach to it.</summary>
/// <param name="Specification">What the process was made from.</param>
/// <param name="Instance">What identifies the process.</param>
internal sealed record UnreachedVm(VmSpecification Specification, VmInstance Instance);
