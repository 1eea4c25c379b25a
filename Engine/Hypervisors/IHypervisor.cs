namespace VmMigration.Engine.Hypervisors;

/// <summary>Makes VMs out of specifications. One instance serves one host.</summary>
public interface IHypervisor
{
    /// <summary>Which hypervisor this is.</summary>
    HypervisorKind Kind { get; }

    /// <summary>Reports why VMs of this kind cannot run here, in a sentence that also says what to install; null where they can.</summary>
    Task<string?> FindObstacleAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Says why the memory of a new VM would not be on the pages its specification asks for, in a sentence that also says what to do; null
    /// where it would. Makes nothing.
    /// </summary>
    string? FindLargePageObstacle(VmSpecification specification) => null;

    /// <summary>Why single pages of a new VM could not be made to fail, in a sentence; null where they can. Makes nothing.</summary>
    string? FindPoisonObstacle(VmSpecification specification) => null;

    /// <summary>Reports why a VM cannot run here before all of its memory is there, in a sentence; null where it can.</summary>
    string? FindPostcopyObstacle(VmSpecification specification) => null;

    /// <summary>Boots a VM; it runs when the task ends.</summary>
    Task<IVirtualMachine> StartAsync(VmSpecification specification, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a VM that waits for memory and device state in state <see cref="VmState.Incoming"/>. <paramref name="contents"/> says
    /// which kind of state will be loaded. Its memory reads as zeros.
    /// </summary>
    Task<IVirtualMachine> PrepareIncomingAsync(
        VmSpecification specification, StateContents contents, CancellationToken cancellationToken);

    /// <summary>Attaches to a VM that runs already, after a restart of the engine.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where it runs no longer.</exception>
    Task<IVirtualMachine> AdoptAsync(VmSpecification specification, VmInstance instance, CancellationToken cancellationToken);
}
