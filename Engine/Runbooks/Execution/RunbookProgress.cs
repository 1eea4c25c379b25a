namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Something that happened in a run. Reported one at a time, in order.</summary>
public sealed record RunbookProgress
{
    /// <summary>What happened.</summary>
    public required RunbookProgressKind Kind { get; init; }

    /// <summary>The run.</summary>
    public required Guid RunId { get; init; }

    /// <summary>The step; null where it concerns the whole run.</summary>
    public RunbookStep? Step { get; init; }

    /// <summary>Place of the item in the step's forEach, from 0; null without one.</summary>
    public int? ItemIndex { get; init; }

    /// <summary>What the cmdlet told, for <see cref="RunbookProgressKind.StepActivity"/>.</summary>
    public StepActivity? Activity { get; init; }

    /// <summary>What became of the step, for <see cref="RunbookProgressKind.StepEnded"/>.</summary>
    public StepResult? Result { get; init; }

    /// <summary>The run, for <see cref="RunbookProgressKind.RunEnded"/>.</summary>
    public RunbookRun? Run { get; init; }
}
