using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Puts a VM together from a process, step by step; disposed before it is complete, it lets go of everything and leaves the process as
/// it is.
/// </summary>
internal sealed class QemuAttachment(QemuProcess process) : IAsyncDisposable
{
    private QemuRam? ram;
    private bool complete;

    /// <summary>Opens the RAM of a process that the engine started.</summary>
    public void FindOwnRam(string ramFile, long sizeBytes) => ram = QemuRam.OfOwn(process.Handle.ProcessId, ramFile, sizeBytes);

    /// <summary>Finds and opens the RAM of a process that something else started.</summary>
    public async Task<QemuRam> FindForeignRamAsync(CancellationToken cancellationToken) =>
        ram = await QemuRam.OfForeignAsync(process, cancellationToken).ConfigureAwait(false);

    /// <summary>Has a process that was started for it listen for its state: in the downtime only bytes are left to flow.</summary>
    public async Task ListenAsync(StateContents contents, string socketPath, CancellationToken cancellationToken)
    {
        await QemuStateTransfer.SetUpAsync(process.Qmp, contents, cancellationToken).ConfigureAwait(false);
        await QemuStateTransfer.ListenAsync(process.Qmp, socketPath, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends what an engine that was killed had begun; not for a process that something else may be migrating.</summary>
    public async Task EndInterruptedSaveAsync(CancellationToken cancellationToken)
    {
        QemuStatus status = await QemuStatus.ReadAsync(process.Qmp, cancellationToken).ConfigureAwait(false);

        // What waits for a state is in a migration, too, and not in one that saves.
        if (status.State == VmState.Incoming) return;
        await QemuInterruptedSave.EndAsync(process.Qmp, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends what an engine that was killed had begun on the VM's disks; each goes on with the image it has on top.</summary>
    public Task EndInterruptedDiskJobsAsync(VmSpecification specification, CancellationToken cancellationToken) =>
        QemuDisks.EndInterruptedAsync(process.Qmp, specification.Qemu?.Disks.Count ?? 0, cancellationToken);

    /// <summary>
    /// Writes into a specification what was left to this machine to choose, so that a destination does not choose otherwise.
    /// </summary>
    public async Task<VmSpecification> PinAsync(
        VmSpecification specification, QemuAccelerator accelerator, CancellationToken cancellationToken)
    {
        QemuGuest guest = specification.Qemu!;
        string machine = await QemuRegistration.PinMachineAsync(process.Qmp, guest.MachineType, cancellationToken).ConfigureAwait(false);
        return specification with { Qemu = guest with { MachineType = machine, Accelerator = accelerator } };
    }

    /// <summary>Makes the VM, which takes everything over.</summary>
    /// <param name="specification">What the VM was made from.</param>
    /// <param name="instance">What identifies it.</param>
    /// <param name="directory">What it has on the machine.</param>
    /// <param name="features">What the kernel gives.</param>
    /// <param name="largePagesRefused">
    /// Why its RAM was not made on the pages that were asked for; null where it was, or is not known.
    /// </param>
    /// <param name="cancellationToken">Cancels the asking.</param>
    public async Task<IVirtualMachine> CompleteAsync(
        VmSpecification specification, VmInstance instance, QemuVmDirectory directory, KernelFeatures features, string? largePagesRefused,
        CancellationToken cancellationToken)
    {
        QemuStatus status = await QemuStatus.ReadAsync(process.Qmp, cancellationToken).ConfigureAwait(false);
        if (status.State != VmState.Incoming)
        {
            // What a later save without the memory needs, so that it need not be asked for in the downtime.
            await QemuStateTransfer.SetUpAsync(process.Qmp, StateContents.Devices, cancellationToken).ConfigureAwait(false);
        }

        string? untracedWriter = await UntracedWriters.FindAsync(process.Qmp, cancellationToken).ConfigureAwait(false);
        var vm = new QemuVirtualMachine(
            specification, instance, process, ram!, directory, status, features, untracedWriter, largePagesRefused);
        complete = true;
        return vm;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (complete) return;
        ram?.Memory.Dispose();
        await process.DisposeAsync().ConfigureAwait(false);
    }
}
