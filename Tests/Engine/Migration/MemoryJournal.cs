using System.Collections.Concurrent;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>A journal in memory that keeps to the same rules as the one on disk.</summary>
internal sealed class MemoryJournal : IMigrationJournal
{
    private readonly ConcurrentDictionary<(Guid, MigrationRole), MigrationJournalEntry> entries = new();

    /// <summary>Which records the disk has no room for.</summary>
    public Func<MigrationJournalEntry, bool>? Refuses { get; set; }

    public ValueTask RecordAsync(MigrationJournalEntry entry, CancellationToken cancellationToken)
    {
        if (Refuses?.Invoke(entry) == true) throw new MigrationException(MigrationErrorReason.OutOfSpace, $"No room for {entry.State}.");
        cancellationToken.ThrowIfCancellationRequested();
        MigrationJournalState? last = entries.TryGetValue((entry.MigrationId, entry.Role), out MigrationJournalEntry? found) ? found.State : null;
        if (!MigrationJournalRules.Allows(entry.Role, last, entry.State))
        {
            throw new MigrationException(MigrationErrorReason.InvalidState, $"{entry.Role} cannot go from {last} to {entry.State}.");
        }

        entries[(entry.MigrationId, entry.Role)] = entry;
        return ValueTask.CompletedTask;
    }

    public ValueTask<MigrationJournalEntry?> FindAsync(Guid migrationId, MigrationRole role, CancellationToken cancellationToken) =>
        ValueTask.FromResult(entries.GetValueOrDefault((migrationId, role)));
}
