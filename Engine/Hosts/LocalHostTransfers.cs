using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>Hands a host's VMs to migrations that take them away, and makes places for VMs that arrive.</summary>
internal sealed class LocalHostTransfers(VmRegistry registry, HypervisorSet hypervisors, HostJournal journal, ILogger log)
{
    /// <summary>Gives a migration hold of a VM.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmNotFound"/>; <see cref="MigrationErrorReason.InvalidState"/> where it is neither running nor paused
    /// or another migration has it; <see cref="MigrationErrorReason.Undecided"/> where it may run elsewhere already.
    /// </exception>
    public async Task<OutgoingVm> TakeOutgoingAsync(
        Guid vmId, Guid migrationId, string destinationHostName, CancellationToken cancellationToken)
    {
        VmSlot slot = registry.Find(vmId);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        VmRefusals.RequireNoMigration(slot, "migrated");
        VmRefusals.RequireOwned(slot, "migrated");
        VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
        if (state is not (VmState.Running or VmState.Paused) || slot.Present.Machine is not { } machine)
        {
            throw VmRefusals.InvalidState(slot, state, "only a Running or Paused VM can be migrated", "Start it first.");
        }

        slot.Present = slot.Present with { MigrationId = migrationId, PeerHostName = destinationHostName };
        return new(slot, machine, registry, journal);
    }

    /// <summary>Gives a migration hold again of a paused copy that it left undecided; null where that copy has no process.</summary>
    public async Task<OutgoingVm?> TakeUndecidedAsync(JournaledMigration migration, CancellationToken cancellationToken)
    {
        VmSlot slot = registry.Find(migration.Entry.VmId);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (slot.Present is not { Ownership: VmOwnership.Undecided, MigrationId: null, Machine: { } machine }) return null;
        slot.Present = slot.Present with { MigrationId = migration.Entry.MigrationId, PeerHostName = migration.Entry.PeerHostName };
        return new(slot, machine, registry, journal);
    }

    /// <summary>Makes the incoming VM and its place; nothing is left of either where this fails.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmAlreadyExists"/> where the id or name is taken, and whatever keeps the hypervisor from making it.
    /// </exception>
    public async Task<IncomingVm> MakeIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        VmSpecification specification = request.Specification;
        VmSpecificationCheck.Require(specification);
        IHypervisor hypervisor = hypervisors.For(specification);
        var slot = new VmSlot(
            specification,
            new VmSlotState
            {
                Ownership = VmOwnership.Incoming,
                MigrationId = request.MigrationId,
                PeerHostName = request.SourceHostName,
                // For a crash right after the takeover, before anybody could say otherwise.
                MeantToRun = true,
            },
            journal, log);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        registry.Add(slot);
        IVirtualMachine? machine = null;
        try
        {
            slot.Save(slot.Present);
            // The VM keeps its wish for large pages: only this migration does without.
            machine = await hypervisor.PrepareIncomingAsync(
                request.Options.PreserveLargePages ? specification : specification with { Backing = MemoryBacking.BasePages },
                request.Contents, cancellationToken).ConfigureAwait(false);
            slot.Save(slot.Present with { Machine = machine });
            return new(slot, machine, registry, journal);
        }
        catch
        {
            if (machine is not null)
            {
                await machine.DestroyAsync().ConfigureAwait(false);
                await machine.DisposeAsync().ConfigureAwait(false);
            }

            slot.Present = slot.Present with { Removed = true };
            registry.Remove(slot);
            journal.DeleteVm(specification.Id);
            throw;
        }
    }
}
