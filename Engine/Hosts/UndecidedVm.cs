using Serilog;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The way out for a VM whose migration left open who owns it: an administrator who has seen that the other host does not run it resumes it
/// here, which takes ownership back for good.
/// </summary>
internal static class UndecidedVm
{
    /// <summary>Records that the migration is rolled back after all; the VM is this host's when the task ends. Under the VM's lock.</summary>
    public static async Task TakeBackAsync(VmSlot slot, HostJournal journal, ILogger log)
    {
        Guid vmId = slot.Specification.Id;
        foreach (JournaledMigration migration in journal.ReadMigrations(MigrationRole.Source))
        {
            MigrationJournalEntry entry = migration.Entry;
            if (entry.VmId != vmId || entry.State != MigrationJournalState.Undecided) continue;
            DateTimeOffset now = DateTimeOffset.UtcNow;

            // Not cancellable: the record and the slot must not differ.
            await journal.RecordAsync(entry with { State = MigrationJournalState.RolledBack, At = now }, CancellationToken.None)
                .ConfigureAwait(false);
            if (migration.Status is { } status)
            {
                journal.SaveStatus(status with
                {
                    State = MigrationState.RolledBack,
                    EndedAt = now,
                    ErrorMessage = $"{status.ErrorMessage} It was resumed at the source by hand.",
                    RecommendedAction = $"Remove what is left of '{status.VmName}' on host '{status.DestinationHostName}'.",
                });
            }

            log.Warning("VM {Vm} was taken back from {Destination} by hand; migration {MigrationId} is rolled back",
                slot.Name, entry.PeerHostName, entry.MigrationId);
        }

        slot.SaveFact(slot.Present with { Ownership = VmOwnership.Owned, Failure = null });
    }
}
