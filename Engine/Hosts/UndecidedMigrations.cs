using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Ends migrations that their source could not decide: by the destination's word, or by force. Every end is recorded before the VM runs, so
/// that a crash in between leaves no doubt.
/// </summary>
internal sealed class UndecidedMigrations(VmRegistry registry, HostJournal journal, ILogger log)
{
    /// <summary>Ends an undecided migration by its destination's word; one that has ended stays as it is.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a word that decides nothing; <see cref="MigrationErrorReason.MigrationNotFound"/>.
    /// </exception>
    public Task<MigrationStatus> SettleAsync(Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken) => outcome switch
    {
        MigrationOutcome.DestinationOwns => EndAsync(migrationId, RemoveCopyAsync, cancellationToken),
        MigrationOutcome.SourceOwns => EndAsync(
            migrationId,
            (slot, migration) => TakeBackAsync(
                slot, migration, $"Host '{migration.Entry.PeerHostName}' never ran the VM, which was taken back.", "Start the migration again."),
            cancellationToken),
        _ => throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"'{outcome}' does not say who owns the VM of migration {migrationId}.",
            $"Only {MigrationOutcome.DestinationOwns} and {MigrationOutcome.SourceOwns} end an undecided migration."),
    };

    /// <summary>Takes the VM back without its destination's word.</summary>
    public Task<MigrationStatus> TakeBackByForceAsync(Guid migrationId, CancellationToken cancellationToken) => EndAsync(
        migrationId,
        (slot, migration) => TakeBackAsync(
            slot, migration, "It was taken back by force, without the destination's word that it does not run the VM.",
            $"Never let host '{migration.Entry.PeerHostName}' run the VM again: stop and remove what it has of it."),
        cancellationToken);

    /// <summary>Finds a migration of this source.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.MigrationNotFound"/>.</exception>
    public JournaledMigration Find(Guid migrationId) => journal.FindMigration(migrationId, MigrationRole.Source)
        ?? throw new MigrationException(
            MigrationErrorReason.MigrationNotFound, $"No migration {migrationId} is known on this host.",
            "List the host's migrations to see their ids.");

    private async Task<MigrationStatus> EndAsync(
        Guid migrationId, Func<VmSlot?, JournaledMigration, Task<MigrationStatus?>> endAsync, CancellationToken cancellationToken)
    {
        // An administrator may have removed the copy: then only the record is left to end.
        VmSlot? slot = registry.TryFind(Find(migrationId).Entry.VmId);
        using AsyncLock.Holder? holder = slot is null ? null : await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        JournaledMigration migration = Find(migrationId);
        MigrationStatus? status = migration.Entry.State == MigrationJournalState.Undecided
            ? await endAsync(slot, migration).ConfigureAwait(false) : migration.Status;
        return status ?? throw new MigrationException(
            MigrationErrorReason.InvalidState, $"The journal holds no status of migration {migrationId}, which is {migration.Entry.State}.");
    }

    private async Task<MigrationStatus?> RemoveCopyAsync(VmSlot? slot, JournaledMigration migration)
    {
        // The copy goes first: a crash in between leaves an undecided migration, and the destination says the same again.
        if (slot?.Present.Machine is { } machine)
        {
            await slot.EndMachineAsync(machine, slot.Present with { Ownership = VmOwnership.GivenAway }).ConfigureAwait(false);
        }

        await RecordAsync(migration, MigrationJournalState.Completed).ConfigureAwait(false);
        if (slot is not null)
        {
            // A process that could not be reached is a leftover now, which the next opening of the host removes.
            journal.DeleteVm(slot.Specification.Id);
            slot.Present = slot.Present with { Removed = true };
            registry.Remove(slot);
        }

        log.Information("Migration {MigrationId} is completed: its VM is owned by {Destination}",
            migration.Entry.MigrationId, migration.Entry.PeerHostName);
        return Save(migration.Status is not { } status ? null : status with
        {
            State = MigrationState.Completed,
            EndedAt = DateTimeOffset.UtcNow,
            ErrorReason = MigrationErrorReason.Invalid,
            ErrorMessage = null,
            RecommendedAction = null,
        });
    }

    private async Task<MigrationStatus?> TakeBackAsync(VmSlot? slot, JournaledMigration migration, string how, string next)
    {
        await RecordAsync(migration, MigrationJournalState.RolledBack).ConfigureAwait(false);
        if (slot is not null)
        {
            VmSlotState known = slot.Present;
            string? failure = known.Machine is null && known.MeantToRun ? "Its process ended while nobody could say who owned it." : null;
            slot.SaveFact(known with { Ownership = VmOwnership.Owned, Failure = failure });
            if (known is { Machine: { } machine, MeantToRun: true } && !await TryResumeAsync(slot, machine).ConfigureAwait(false))
            {
                next = "The VM is whole but did not resume; the host's log says why. Resume it by hand.";
            }
        }

        log.Warning("Migration {MigrationId} to {Destination} is rolled back: {How}",
            migration.Entry.MigrationId, migration.Entry.PeerHostName, how);
        return Save(migration.Status is not { } status ? null : status with
        {
            State = MigrationState.RolledBack,
            EndedAt = DateTimeOffset.UtcNow,
            ErrorMessage = $"{status.ErrorMessage} {how}".TrimStart(),
            RecommendedAction = next,
        });
    }

    private async Task<bool> TryResumeAsync(VmSlot slot, IVirtualMachine machine)
    {
        try
        {
            if (machine.Capabilities.ThrottleRefused is null) await machine.SetVcpuShareAsync(1, CancellationToken.None).ConfigureAwait(false);
            if (await machine.GetStateAsync(CancellationToken.None).ConfigureAwait(false) != VmState.Paused) return true;
            await machine.ResumeAsync(CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (MigrationException e)
        {
            log.Error(e, "VM {Vm}, which was taken back, did not resume", slot.Name);
            return false;
        }
    }

    private MigrationStatus? Save(MigrationStatus? status)
    {
        if (status is not null) journal.SaveStatus(status);
        return status;
    }

    // Not cancellable: the record and the slot must not differ.
    private Task RecordAsync(JournaledMigration migration, MigrationJournalState state) => journal.RecordAsync(
        migration.Entry with { State = state, At = DateTimeOffset.UtcNow }, CancellationToken.None).AsTask();
}
