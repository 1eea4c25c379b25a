using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets;

/// <summary>What became of one step of a runbook.</summary>
public sealed record MigrationRunbookStep
{
    /// <summary>The step's id.</summary>
    public required string Id { get; init; }

    /// <summary>Name of its cmdlet.</summary>
    public required string Cmdlet { get; init; }

    /// <summary>How it ended.</summary>
    public required RunbookStepStatus Status { get; init; }

    /// <summary>Whether it stands under <c>always</c>.</summary>
    public required bool IsAlways { get; init; }

    /// <summary>When it started, UTC; null where it did not.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>What it returned; with forEach a list with one entry for each item.</summary>
    public object? Output { get; init; }

    /// <summary>Error id of why it failed; null where it did not.</summary>
    public string? ErrorId { get; init; }

    /// <summary>What happened, in a sentence; null where it did not fail.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where it did not fail or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>The id and the status.</summary>
    public override string ToString() => $"{Id}: {Status}";

    internal static MigrationRunbookStep From(StepResult step) => new()
    {
        Id = step.StepId,
        Cmdlet = step.Cmdlet,
        Status = (RunbookStepStatus)step.Status,
        IsAlways = step.IsAlways,
        StartedAt = step.StartedAt,
        Duration = step.Duration,
        Output = StepValueConversion.ToPowerShell(step.Output),
        ErrorId = step.Failure?.ErrorId,
        ErrorMessage = step.Failure?.Message,
        RecommendedAction = step.Failure?.RecommendedAction,
    };
}
