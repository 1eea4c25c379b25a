using System.Collections;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets;

/// <summary>A run of a runbook after its end.</summary>
public sealed record MigrationRunbookRun
{
    /// <summary>Id of the run.</summary>
    public required Guid Id { get; init; }

    /// <summary>The runbook's name.</summary>
    public required string Name { get; init; }

    /// <summary>The runbook's file.</summary>
    public required string Path { get; init; }

    /// <summary>How it ended.</summary>
    public required RunbookRunStatus Status { get; init; }

    /// <summary>When it started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>What became of each step, those under <c>always</c> last.</summary>
    public required IReadOnlyList<MigrationRunbookStep> Steps { get; init; }

    /// <summary>The runbook's outputs by name; empty unless it succeeded.</summary>
    public required Hashtable Outputs { get; init; }

    /// <summary>Error id of the first failure; null where nothing failed.</summary>
    public string? ErrorId { get; init; }

    /// <summary>What happened, in a sentence; null where nothing failed.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where nothing failed or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>The runbook's name and the status.</summary>
    public override string ToString() => $"{Name}: {Status}";

    internal static MigrationRunbookRun From(RunbookRun run) => new()
    {
        Id = run.Id,
        Name = run.Runbook.Metadata.Name,
        Path = run.Runbook.File,
        Status = (RunbookRunStatus)run.Status,
        StartedAt = run.StartedAt,
        Duration = run.Duration,
        Steps = [.. run.Steps.Select(MigrationRunbookStep.From)],
        Outputs = (Hashtable)StepValueConversion.ToPowerShell(run.Outputs)!,
        ErrorId = run.Failure?.ErrorId,
        ErrorMessage = run.Failure?.Message,
        RecommendedAction = run.Failure?.RecommendedAction,
    };
}
