using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>Hands a host's VMs to migrations that take them away, and makes places for VMs that arrive.</summary>
internal sealed class LocalHostTransfers(VmRegistry registry, HypervisorSet hypervisors, HostJournal journal, ILogger log)
{
    /// <summary>The host's VMs.</summary>
    public VmRegistry Registry => registry;

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
        RequireNoMerge(slot);
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
        RequireNoOverlayOfOthers(request);
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
        QemuDisk[] arriving = [.. (specification.Qemu?.Disks ?? []).Where(disk => disk.Base is { MergePending: true })];
        try
        {
            slot.Save(slot.Present);
            foreach (QemuDisk disk in arriving) await OverlayImage.CreateAsync(disk, cancellationToken).ConfigureAwait(false);

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

            OverlayImage.DeleteArriving(specification);
            slot.Present = slot.Present with { Removed = true };
            registry.Remove(slot);
            journal.DeleteVm(specification.Id);
            throw;
        }
    }

    /// <summary>An overlay that is written back changes the image below it, which must not be while the VM leaves.</summary>
    private static void RequireNoMerge(VmSlot slot)
    {
        if (slot.Specification.Qemu is not { } guest || guest.Disks.All(disk => disk is { MergedOverlay: null, Base: not { MergePending: true } })) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState, $"The disks of '{slot.Name}' are still being merged after it arrived here with them.",
            "Wait until that has ended: the VM's disks have no base then.");
    }

    /// <summary>Only an overlay that this host made for the VM goes with it where it does not arrive.</summary>
    private static void RequireNoOverlayOfOthers(IncomingRequest request)
    {
        if (request.Options.IncludeDisks || request.Specification.Qemu is not { } guest) return;
        if (guest.Disks.All(disk => disk.Base is not { MergePending: true })) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"'{request.Specification.Name}' has an overlay that its source is still merging.",
            "Wait until the source has merged it.");
    }
}
