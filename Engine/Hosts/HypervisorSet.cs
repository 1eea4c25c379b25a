using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>The hypervisors of one host, one of each kind at most.</summary>
internal sealed class HypervisorSet(IReadOnlyList<IHypervisor> hypervisors)
{
    /// <summary>Adopts a VM that something else started; null where none of the hypervisors can.</summary>
    public Func<VmRegistration, CancellationToken, Task<IVirtualMachine>>? Register { get; init; }

    /// <summary>
    /// Ends and removes what a killed engine left in the host's directory of VMs other than the given ones; null where VMs leave nothing.
    /// </summary>
    public Func<IReadOnlyList<VmInstance>, CancellationToken, Task<IReadOnlyList<string>>>? RemoveLeftovers { get; init; }

    /// <summary>Ends a VM by its process, asking nothing of it, and removes its files; null where VMs leave nothing.</summary>
    public Func<VmInstance, Task>? End { get; init; }

    /// <summary>Lets go of what VMs that are gone had needed, when the host is closed; null where there is nothing.</summary>
    public Action? Close { get; init; }

    /// <summary>Finds the hypervisor a specification is for.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PrerequisiteMissing"/> where the host has none of that kind.</exception>
    public IHypervisor For(VmSpecification specification) =>
        hypervisors.FirstOrDefault(hypervisor => hypervisor.Kind == specification.Hypervisor)
        ?? throw new MigrationException(MigrationErrorReason.PrerequisiteMissing,
            $"'{specification.Name}' needs the {specification.Hypervisor} hypervisor, which this host does not have.",
            "Use a host that has it.");

    /// <inheritdoc cref="IHypervisor.FindLargePageObstacle"/>
    public string? FindLargePageObstacle(VmSpecification specification) =>
        hypervisors.FirstOrDefault(hypervisor => hypervisor.Kind == specification.Hypervisor)?.FindLargePageObstacle(specification);

    /// <summary>Attaches to a VM that something else started.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.PrerequisiteMissing"/> where no hypervisor here can.</exception>
    public Task<IVirtualMachine> RegisterAsync(VmRegistration registration, CancellationToken cancellationToken) => Register is null
        ? throw new MigrationException(MigrationErrorReason.PrerequisiteMissing,
            $"This host has no hypervisor that could adopt the VM at '{registration.QmpSocketPath}'.", "Use a host that runs QEMU.")
        : Register(registration, cancellationToken);

    /// <summary>Per kind: null where VMs can run, else why not and what to install.</summary>
    public async Task<IReadOnlyDictionary<HypervisorKind, string?>> FindObstaclesAsync(CancellationToken cancellationToken)
    {
        Dictionary<HypervisorKind, string?> obstacles = [];
        foreach (IHypervisor hypervisor in hypervisors)
        {
            obstacles[hypervisor.Kind] = await hypervisor.FindObstacleAsync(cancellationToken).ConfigureAwait(false);
        }

        return obstacles;
    }
}
