namespace VmMigration.Engine.Migration;

/// <summary>What one host has recorded of one migration.</summary>
/// <param name="MigrationId">Id of the migration on both hosts.</param>
/// <param name="Role">Which end of it this host is.</param>
/// <param name="VmId">The VM that moves.</param>
/// <param name="PeerHostName">Name of the host at the other end.</param>
/// <param name="State">What was decided.</param>
/// <param name="At">When, UTC.</param>
public sealed record MigrationJournalEntry(
    Guid MigrationId, MigrationRole Role, Guid VmId, string PeerHostName, MigrationJournalState State, DateTimeOffset At);
