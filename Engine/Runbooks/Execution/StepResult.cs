namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>What became of one step.</summary>
public sealed record StepResult
{
    /// <summary>The step.</summary>
    public required string StepId { get; init; }

    /// <summary>Name of its cmdlet.</summary>
    public required string Cmdlet { get; init; }

    /// <summary>Whether it stands under <c>always</c>.</summary>
    public required bool IsAlways { get; init; }

    /// <summary>How it ended.</summary>
    public required StepStatus Status { get; init; }

    /// <summary>When it started, UTC; null where it did not.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>
    /// What it returned: null for nothing, the object where it was one, a list where they were several. With forEach a list that holds one
    /// such value for each item.
    /// </summary>
    public object? Output { get; init; }

    /// <summary>Why it failed; null where it did not.</summary>
    public StepFailure? Failure { get; init; }

    /// <summary>Its cmdlet's calls: one, or one for each item of a forEach in the items' order. Empty where none was tried.</summary>
    public IReadOnlyList<StepCall> Calls { get; init; } = [];
}
