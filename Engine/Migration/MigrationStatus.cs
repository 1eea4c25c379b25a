using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>A snapshot of one migration, as its source host knows it. Serializable.</summary>
public sealed record MigrationStatus
{
    /// <summary>Id of the migration on both hosts.</summary>
    public required Guid Id { get; init; }

    /// <summary>The VM that moves.</summary>
    public required Guid VmId { get; init; }

    /// <summary>Its name.</summary>
    public required string VmName { get; init; }

    /// <summary>The host it leaves.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>The host it goes to.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>How the connections between the hosts are protected.</summary>
    public LinkSecurity LinkSecurity { get; init; } = LinkSecurity.Plain;

    /// <summary>Where it stands.</summary>
    public required MigrationState State { get; init; }

    /// <summary>When it was started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>How far it has come.</summary>
    public required MigrationProgress Progress { get; init; }

    /// <summary>What it did and cost, once completed.</summary>
    public MigrationResult? Result { get; init; }

    /// <summary>Why it did not complete; <see cref="MigrationErrorReason.Invalid"/> where nothing failed.</summary>
    public MigrationErrorReason ErrorReason { get; init; }

    /// <summary>What happened, in a sentence; null where nothing failed.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where nothing failed or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>Whether it has ended, whichever way.</summary>
    public bool HasEnded => State is MigrationState.Completed or MigrationState.RolledBack or MigrationState.Undecided;
}
