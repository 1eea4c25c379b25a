namespace VmMigration.Engine.Migration;

/// <summary>How a post-copy ended at its source.</summary>
/// <param name="Kind">Which end it was.</param>
/// <param name="Summary">What it cost.</param>
/// <param name="Link">The link it ended on; null where there was none.</param>
/// <param name="MemoryVerified">Whether every missing page was compared and all were equal.</param>
/// <param name="Error">What went wrong; null where nothing did.</param>
/// <param name="Note">What an administrator should know of a good end; null for nothing.</param>
internal sealed record PostcopyEnd(
    PostcopyEndKind Kind, PostcopySummary Summary, SourceLink? Link, bool MemoryVerified = false, MigrationException? Error = null,
    string? Note = null);
