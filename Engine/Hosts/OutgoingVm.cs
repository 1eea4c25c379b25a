using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// A migration's hold on a VM that is to leave this host. Until it is settled, by exactly one of <see cref="ReturnAsync"/>,
/// <see cref="RemoveAsync"/> and <see cref="KeepUndecidedAsync"/>, every other change of the VM is refused. Settling is not cancellable.
/// </summary>
internal sealed class OutgoingVm(VmSlot slot, IVirtualMachine machine, VmRegistry registry, HostJournal journal) : IOutgoingVm
{
    /// <summary>The VM, running or paused, for the migration to use. It stays the host's.</summary>
    public IVirtualMachine Machine { get; } = machine;

    /// <inheritdoc/>
    public AsyncLock RunState => slot.RunState;

    /// <summary>What the VM was made from, with what its hypervisor chose.</summary>
    public VmSpecification Specification => Machine.Specification;

    /// <inheritdoc/>
    public async Task SpecifyDisksAsync(IReadOnlyList<QemuDisk> disks)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.SpecifyDisks(disks);
    }

    /// <summary>The migration rolled back: the VM is an ordinary VM of this host again, or failed where it ended meanwhile.</summary>
    public async Task ReturnAsync()
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.SaveFact(slot.Present with { MigrationId = null, PeerHostName = null, Ownership = VmOwnership.Owned });
        if (Machine.Exited.IsCompleted)
        {
            await slot.MarkExitedAsync(Machine, await Machine.Exited.ConfigureAwait(false)).ConfigureAwait(false);
        }
    }

    /// <summary>The VM runs at the destination: what is left of it here is destroyed, and the host forgets it.</summary>
    public async Task RemoveAsync()
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        await slot.EndMachineAsync(Machine, slot.Present with { Ownership = VmOwnership.GivenAway }).ConfigureAwait(false);
        journal.DeleteVm(Specification.Id);
        slot.Present = slot.Present with { Removed = true };
        registry.Remove(slot);
    }

    /// <summary>Nobody can tell who owns the VM: its paused copy is kept and not run.</summary>
    /// <param name="why">A sentence that names the migration and the other host; shown with the VM.</param>
    public async Task KeepUndecidedAsync(string why)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.SaveFact(slot.Present with
        {
            MigrationId = null,
            PeerHostName = null,
            Ownership = VmOwnership.Undecided,
            Failure = why,
        });
    }
}
