namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>One call of a step's cmdlet, and what became of it.</summary>
public sealed record StepCall
{
    /// <summary>How it ended.</summary>
    public required StepStatus Status { get; init; }

    /// <summary>What the cmdlet was given, as far as that was evaluated.</summary>
    public IReadOnlyDictionary<string, object?> Arguments { get; init; } = new Dictionary<string, object?>();

    /// <summary>What it returned, in order; empty where it did not succeed.</summary>
    public IReadOnlyList<object?> Outputs { get; init; } = [];

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Why it failed; null where it did not.</summary>
    public StepFailure? Failure { get; init; }
}
