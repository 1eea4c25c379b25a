using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>Where an operation stood, in the terms of those who follow it.</summary>
internal sealed record OperationReport
{
    /// <summary>The object that cmdlets write.</summary>
    public required object Snapshot { get; init; }

    /// <summary>State of the operation; its name is shown.</summary>
    public required Enum State { get; init; }

    /// <summary>Whether it has ended, whichever way.</summary>
    public required bool HasEnded { get; init; }

    /// <summary>Whether it has ended as it was meant to.</summary>
    public required bool IsCompleted { get; init; }

    /// <summary>Whether it goes on only where somebody acts.</summary>
    public bool StandsStill { get; init; }

    /// <summary>Whether it ended because somebody cancelled it.</summary>
    public bool WasCancelled { get; init; }

    /// <summary>What the progress bar shows.</summary>
    public required ProgressRecord Progress { get; init; }

    /// <summary>What is worth a verbose message at its end.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Why it ended without completing, or stands still; null where neither is so.</summary>
    public MigrationException? Failure { get; init; }

    /// <summary>The error of an operation that has a <see cref="Failure"/>.</summary>
    public ErrorRecord ToError() => MigrationError.ToRecord(
        Failure ?? throw new InvalidOperationException($"An operation in state {State} has no failure."), Snapshot);
}
