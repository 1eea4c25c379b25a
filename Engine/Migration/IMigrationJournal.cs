namespace VmMigration.Engine.Migration;

/// <summary>Where a host records how far its migrations were decided, so that a crash leaves no doubt which side may run a VM.</summary>
public interface IMigrationJournal
{
    /// <summary>
    /// Records the entry in place of the last one of the same migration and role. When the task ends the record is on disk and survives
    /// a loss of power. Recording the present state again changes its time only.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where <see cref="MigrationJournalRules"/> forbids the transition; the last entry stays.
    /// <see cref="MigrationErrorReason.OutOfSpace"/> or <see cref="MigrationErrorReason.SystemCallFailed"/> where the disk refused: then nothing
    /// was recorded.
    /// </exception>
    ValueTask RecordAsync(MigrationJournalEntry entry, CancellationToken cancellationToken);

    /// <summary>Finds the last entry of a migration; null where this host has none in that role.</summary>
    ValueTask<MigrationJournalEntry?> FindAsync(Guid migrationId, MigrationRole role, CancellationToken cancellationToken);
}
