using VmMigration.Engine.Hypervisors;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The place of a VM that is on its way to this host, visible as <see cref="VmState.Incoming"/>. Until it is settled, by exactly one of
/// <see cref="CompleteAsync"/>, <see cref="RemoveAsync"/> and <see cref="KeepUndecidedAsync"/>, the VM is the migration's. Settling is not
/// cancellable.
/// </summary>
internal sealed class IncomingVm(VmSlot slot, IVirtualMachine machine, VmRegistry registry, HostJournal journal)
{
    /// <summary>The VM that waits for memory and device state.</summary>
    public IVirtualMachine Machine { get; } = machine;

    /// <summary>What the VM is made from.</summary>
    public VmSpecification Specification => slot.Specification;

    /// <summary>The VM is this host's now, in whatever state it is; the journal must say so already.</summary>
    /// <param name="running">Whether its vCPUs are meant to run.</param>
    public async Task CompleteAsync(bool running)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.Attach(Machine, slot.Present with
        {
            MigrationId = null,
            PeerHostName = null,
            Ownership = VmOwnership.Owned,
            MeantToRun = running,
        });
    }

    /// <summary>The VM did not arrive: what there is of it is destroyed, and the host forgets it.</summary>
    public async Task RemoveAsync()
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        await slot.EndMachineAsync(Machine, slot.Present).ConfigureAwait(false);
        journal.DeleteVm(Specification.Id);
        slot.Present = slot.Present with { Removed = true };
        registry.Remove(slot);
    }

    /// <summary>Nobody can tell who owns the VM: the paused copy is kept and not run.</summary>
    /// <param name="why">A sentence that names the migration and the other host; shown with the VM.</param>
    public async Task KeepUndecidedAsync(string why)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.Attach(Machine, slot.Present with
        {
            MigrationId = null,
            PeerHostName = null,
            Ownership = VmOwnership.Undecided,
            Failure = why,
        });
    }
}
