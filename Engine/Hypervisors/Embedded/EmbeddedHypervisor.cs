namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The hypervisor inside this process: VMs of native memory and threads that run deterministic guest programs. Runs on any operating
/// system, needs no rights and nothing installed. An honest simulator for runbooks, tests and demonstrations, not a real guest.
/// </summary>
public sealed class EmbeddedHypervisor : IHypervisor
{
    /// <inheritdoc/>
    public HypervisorKind Kind => HypervisorKind.Embedded;

    /// <inheritdoc/>
    public Task<string?> FindObstacleAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<string?>(null);
    }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where the specification is wrong; <see cref="MigrationErrorReason.OutOfSpace"/>
    /// where the machine has not enough memory available.
    /// </exception>
    public Task<IVirtualMachine> StartAsync(VmSpecification specification, CancellationToken cancellationToken) =>
        MakeAsync(specification, VmState.Running, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where the specification is wrong or memory is to come with the device state;
    /// <see cref="MigrationErrorReason.OutOfSpace"/> where the machine has not enough memory available.
    /// </exception>
    public async Task<IVirtualMachine> PrepareIncomingAsync(
        VmSpecification specification, StateContents contents, CancellationToken cancellationToken)
    {
        EmbeddedVirtualMachine.CheckContents(specification, contents);
        return await MakeAsync(specification, VmState.Incoming, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<IVirtualMachine> AdoptAsync(VmSpecification specification, VmInstance instance, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromException<IVirtualMachine>(new MigrationException(
            MigrationErrorReason.VmExited,
            $"Embedded VM '{specification.Name}' ended with the engine process it lived in.", "Start the VM again."));
    }

    private static async Task<IVirtualMachine> MakeAsync(
        VmSpecification specification, VmState state, CancellationToken cancellationToken)
    {
        EmbeddedSpecification.Check(specification);
        cancellationToken.ThrowIfCancellationRequested();
        long available = AvailableMemory.ReadBytes();
        if (specification.MemoryBytes > available)
        {
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace,
                $"'{specification.Name}' needs {specification.MemoryBytes} bytes of memory; {Environment.MachineName} has {available}.",
                "Give the VM less memory, or end something else that uses it.");
        }

        var vm = new EmbeddedVirtualMachine(specification, state);
        await vm.StartVcpusAsync().ConfigureAwait(false);
        return vm;
    }
}
