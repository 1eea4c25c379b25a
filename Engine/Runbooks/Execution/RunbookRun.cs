namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>One run of a runbook after its end.</summary>
public sealed record RunbookRun
{
    /// <summary>Id of the run.</summary>
    public required Guid Id { get; init; }

    /// <summary>The runbook.</summary>
    public required Runbook Runbook { get; init; }

    /// <summary>How it ended.</summary>
    public required RunbookRunStatus Status { get; init; }

    /// <summary>When it started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took, <c>always</c> included.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>What became of every step, in the runbook's order, those under <c>always</c> last.</summary>
    public required IReadOnlyList<StepResult> Steps { get; init; }

    /// <summary>The runbook's outputs; empty unless it succeeded.</summary>
    public IReadOnlyDictionary<string, object?> Outputs { get; init; } = new Dictionary<string, object?>();

    /// <summary>The first failure; null where there is none.</summary>
    public StepFailure? Failure { get; init; }
}
