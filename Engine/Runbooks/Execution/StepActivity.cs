namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>What a cmdlet tells while it runs.</summary>
public sealed record StepActivity
{
    /// <summary>Tells several bars of one cmdlet apart.</summary>
    public int ActivityId { get; init; }

    /// <summary>What is being done; null for a warning.</summary>
    public string? Activity { get; init; }

    /// <summary>How it stands.</summary>
    public string? Status { get; init; }

    /// <summary>How much is done, 0 to 100; null where that is not known.</summary>
    public int? PercentComplete { get; init; }

    /// <summary>Whether the activity has ended.</summary>
    public bool IsCompleted { get; init; }

    /// <summary>A warning; null for progress.</summary>
    public string? Warning { get; init; }
}
