namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>How a runbook is to be run.</summary>
public sealed record RunbookRunOptions
{
    /// <summary>Only plan: Get and Test steps run, every other is recorded as planned and its output is unknown.</summary>
    public bool PlanOnly { get; init; }

    /// <summary>Most time for all steps under <c>always</c> together; afterwards they are cancelled.</summary>
    public TimeSpan AlwaysTimeLimit { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Cancels the steps under <c>always</c> before their time limit, for a caller who is asked twice to stop.</summary>
    public CancellationToken AlwaysCancellation { get; init; }

    /// <summary>Tells the time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
