using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// What a host does with its journal when it is opened: decides the migrations that the end of the last engine cut short, finds the VMs that
/// still run, and removes what is left of those that do not.
/// </summary>
internal sealed class HostRecovery(VmRegistry registry, HypervisorSet hypervisors, HostJournal journal, TimeProvider clock, ILogger log)
{
    private readonly HashSet<Guid> interrupted = [];
    private readonly Dictionary<Guid, string> undecided = [];
    private readonly Dictionary<Guid, string> unfinished = [];
    private readonly Dictionary<Guid, MigrationJournalEntry> owned = [];

    /// <summary>Runs the recovery; afterwards the registry holds the VMs of the journal.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (JournaledMigration migration in journal.ReadMigrations(MigrationRole.Source))
        {
            await DecideAsync(migration, cancellationToken).ConfigureAwait(false);
        }

        foreach (JournaledMigration migration in journal.ReadMigrations(MigrationRole.Destination))
        {
            await DecideAsync(migration, cancellationToken).ConfigureAwait(false);
        }

        foreach (JournaledVm vm in journal.ReadVms()) await RecoverAsync(vm, cancellationToken).ConfigureAwait(false);

        // Of a VM that was removed here since, nothing is open.
        foreach (Guid gone in owned.Keys.Where(vmId => registry.TryFind(vmId) is null).ToArray())
        {
            await EndOwnedAsync(gone, MigrationJournalState.Completed, cancellationToken).ConfigureAwait(false);
        }

        await RemoveLeftoversAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task DecideAsync(JournaledMigration migration, CancellationToken cancellationToken)
    {
        MigrationJournalEntry entry = migration.Entry;
        MigrationJournalState state = CommitRules.AfterRestart(entry.Role, entry.State, vmKnown: journal.FindVm(entry.VmId) is not null);
        if (state != entry.State)
        {
            await journal.RecordAsync(entry with { State = state, At = clock.GetUtcNow() }, cancellationToken).ConfigureAwait(false);
            interrupted.Add(entry.VmId);
            log.Warning("Migration {MigrationId}, interrupted as {Role} at {State}, is {Decision} now",
                entry.MigrationId, entry.Role, entry.State, state);
        }

        if (state == MigrationJournalState.Owner)
        {
            // Whether it ended well shows once the VM is looked for.
            interrupted.Add(entry.VmId);
            owned[entry.VmId] = entry;
        }

        if (state == MigrationJournalState.Receiving)
        {
            unfinished[entry.VmId] = $"The engine ended while pages of its memory were still at host '{entry.PeerHostName}'"
                + $" (migration {entry.MigrationId}): what touches one of them waits for ever, and the VM cannot go on. End its process and"
                + " start it anew; the copy at the source is older than its disks.";
        }

        if (state == MigrationJournalState.Undecided)
        {
            undecided[entry.VmId] = $"migration {entry.MigrationId} was cut short while it was handed over between this host and"
                + $" '{entry.PeerHostName}', and either side may own it.";
        }

        if (migration.Status is { HasEnded: false } status) journal.SaveStatus(Ended(status, state, entry));
    }

    private MigrationStatus Ended(MigrationStatus status, MigrationJournalState state, MigrationJournalEntry entry) => state switch
    {
        MigrationJournalState.Completed => status with { State = MigrationState.Completed, EndedAt = entry.At },
        MigrationJournalState.Undecided => status with
        {
            State = MigrationState.Undecided,
            EndedAt = clock.GetUtcNow(),
            ErrorReason = MigrationErrorReason.Undecided,
            ErrorMessage = status.State is MigrationState.Postcopy or MigrationState.PostcopyPaused
                ? $"The engine of host '{status.SourceHostName}' ended in the post-copy:"
                    + $" pages that host '{status.DestinationHostName}' misses are"
                    + " only in the copy it keeps, paused, and can be sent no more."
                : $"The engine of host '{status.SourceHostName}' ended after it had given the VM away and before it heard that it runs.",
            RecommendedAction = $"Bring host '{status.DestinationHostName}' back: it is asked until it says who owns the VM. Where it is lost for"
                + " good, resume the migration with force.",
        },
        _ => status with
        {
            State = MigrationState.RolledBack,
            EndedAt = clock.GetUtcNow(),
            ErrorReason = MigrationErrorReason.ConnectionLost,
            ErrorMessage = $"The engine of host '{status.SourceHostName}' ended during the migration; the VM stayed there.",
            RecommendedAction = "Start the migration again.",
        },
    };

    private async Task RecoverAsync(JournaledVm vm, CancellationToken cancellationToken)
    {
        if (vm.Ownership is VmOwnership.Incoming or VmOwnership.GivenAway)
        {
            // It never arrived, or runs at its destination: what there is of it here becomes a leftover. Of its disks nothing is removed but
            // the overlays that were made for its arrival.
            if (vm.Ownership == VmOwnership.Incoming) OverlayImage.DeleteArriving(vm.Specification);
            journal.DeleteVm(vm.Specification.Id);
            log.Information("Discarding the copy of VM {Vm} that an interrupted migration left", vm.Specification.Name);
            return;
        }

        var slot = new VmSlot(vm.Specification, new VmSlotState
        {
            Ownership = vm.Ownership,
            Registered = vm.Registered,
            MeantToRun = vm.MeantToRun,
            Failure = vm.Ownership == VmOwnership.Undecided
                ? undecided.GetValueOrDefault(vm.Specification.Id, "an interrupted migration left open who owns it.")
                : null,
        }, journal, log);
        registry.Add(slot);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (vm.Instance is { ProcessId: not null } instance)
        {
            await AdoptAsync(slot, new(vm.RunningSpecification ?? vm.Specification, instance), cancellationToken).ConfigureAwait(false);
        }
        // An embedded VM ended with the process it lived in, which is no failure of the VM.
        else if (vm.Instance is not null)
        {
            await EndOwnedAsync(slot.Specification.Id, MigrationJournalState.Undecided, cancellationToken).ConfigureAwait(false);
            slot.Save(slot.Present with { MeantToRun = false });
        }
    }

    private async Task AdoptAsync(VmSlot slot, UnreachedVm process, CancellationToken cancellationToken)
    {
        int? processId = process.Instance.ProcessId;
        if (unfinished.TryGetValue(slot.Specification.Id, out string? lost))
        {
            // It may answer nothing any more, for want of a page: it is left alone.
            slot.Present = slot.Present with { Unreached = process, Failure = lost };
            log.Error("VM {Vm} in process {ProcessId} misses pages: {Message}", slot.Name, processId, lost);
            return;
        }

        try
        {
            IVirtualMachine machine = await hypervisors.For(process.Specification)
                .AdoptAsync(process.Specification, process.Instance, cancellationToken).ConfigureAwait(false);
            slot.Attach(machine, slot.Present);
            log.Information("Found VM {Vm} again in process {ProcessId}", slot.Name, processId);
            if (interrupted.Contains(slot.Specification.Id)) await UndoSwitchoverAsync(slot, machine, cancellationToken).ConfigureAwait(false);
            await EndOwnedAsync(slot.Specification.Id, MigrationJournalState.Completed, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException e) when (e.Reason == MigrationErrorReason.VmExited)
        {
            string how = $"It ended while no engine watched it: {e.Message}";
            if (owned.TryGetValue(slot.Specification.Id, out MigrationJournalEntry? arrived))
            {
                how += $" It had just arrived from host '{arrived.PeerHostName}', which may keep a paused copy. Resume migration"
                    + $" {arrived.MigrationId} there with force, and remove the VM here, or start it anew here: never both.";
            }

            await EndOwnedAsync(slot.Specification.Id, MigrationJournalState.Undecided, cancellationToken).ConfigureAwait(false);
            slot.Save(slot.Present with { Failure = slot.Present.Failure ?? how });
            log.Warning("VM {Vm} is gone: {Message}", slot.Name, e.Message);
        }
        catch (MigrationException e)
        {
            slot.Present = slot.Present with
            {
                Unreached = process,
                Failure = slot.Present.Failure ?? $"Process {processId} cannot be reached: {e.Message}",
            };
            log.Error(e, "VM {Vm} in process {ProcessId} cannot be reached", slot.Name, processId);
        }
    }

    /// <summary>
    /// Ends the record of a VM that this host had taken over: it is here, or it ended at a moment at which nobody knows whether it had run.
    /// </summary>
    private async Task EndOwnedAsync(Guid vmId, MigrationJournalState state, CancellationToken cancellationToken)
    {
        if (!owned.Remove(vmId, out MigrationJournalEntry? entry)) return;
        await journal.RecordAsync(entry with { State = state, At = clock.GetUtcNow() }, cancellationToken).ConfigureAwait(false);
        log.Warning("Migration {MigrationId}, interrupted as {Role} at {State}, is {Decision} now",
            entry.MigrationId, entry.Role, entry.State, state);
    }

    /// <summary>Lets a VM go on that an interrupted migration had slowed down or paused.</summary>
    private async Task UndoSwitchoverAsync(VmSlot slot, IVirtualMachine machine, CancellationToken cancellationToken)
    {
        if (machine.Capabilities.ThrottleRefused is null) await machine.SetVcpuShareAsync(1, cancellationToken).ConfigureAwait(false);
        if (slot.Present.Ownership != VmOwnership.Owned || !slot.Present.MeantToRun) return;
        if (await machine.GetStateAsync(cancellationToken).ConfigureAwait(false) != VmState.Paused) return;
        await machine.ResumeAsync(cancellationToken).ConfigureAwait(false);
        log.Warning("Resumed VM {Vm}, which an interrupted migration had paused", slot.Name);
    }

    /// <summary>Removes what belongs to no VM any more: discarded copies, dead processes' files, VMs whose start was never recorded.</summary>
    private async Task RemoveLeftoversAsync(CancellationToken cancellationToken)
    {
        if (hypervisors.RemoveLeftovers is null) return;
        VmInstance[] known = [.. registry.List().Select(slot => slot.Present.Machine?.Instance ?? slot.Present.Unreached?.Instance)
            .OfType<VmInstance>()];
        try
        {
            foreach (string leftover in await hypervisors.RemoveLeftovers(known, cancellationToken).ConfigureAwait(false))
            {
                log.Warning("Removed {Leftover}, which an engine that was killed had left", leftover);
            }
        }
        catch (MigrationException e)
        {
            // The VMs that were found work; the next opening tries again.
            log.Error(e, "What an engine that was killed had left could not be removed");
        }
    }
}
