using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The place of a VM that is on its way to this host, visible as <see cref="VmState.Incoming"/>. Until it is settled, by either
/// <see cref="CompleteAsync"/> or <see cref="RemoveAsync"/>, the VM is the migration's.
/// </summary>
internal sealed class IncomingVm(VmSlot slot, IVirtualMachine machine, VmRegistry registry, HostJournal journal) : IIncomingVm
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

    /// <inheritdoc/>
    public async Task BeginPostcopyAsync(bool running)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.Attach(Machine, slot.Present with { InPostcopy = true, Ownership = VmOwnership.Owned, MeantToRun = running });
    }

    /// <inheritdoc/>
    public async Task ReportWaitAsync(string? why)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.Present = slot.Present with { Failure = why };
    }

    /// <inheritdoc/>
    public async Task EndPostcopyAsync(string? failure)
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        slot.SaveFact(slot.Present with { MigrationId = null, PeerHostName = null, InPostcopy = false, Failure = failure });

        // One that was ended by force is gone from the slot already.
        if (ReferenceEquals(slot.Present.Machine, Machine) && Machine.Exited.IsCompleted)
        {
            await slot.MarkExitedAsync(Machine, await Machine.Exited.ConfigureAwait(false)).ConfigureAwait(false);
        }
    }

    /// <summary>The VM did not arrive: what there is of it is destroyed, and the host forgets it.</summary>
    public async Task RemoveAsync()
    {
        using AsyncLock.Holder holder = await slot.EnterAnywayAsync().ConfigureAwait(false);
        await slot.EndMachineAsync(Machine, slot.Present).ConfigureAwait(false);
        OverlayImage.DeleteArriving(Specification);
        journal.DeleteVm(Specification.Id);
        slot.Present = slot.Present with { Removed = true };
        registry.Remove(slot);
    }
}
