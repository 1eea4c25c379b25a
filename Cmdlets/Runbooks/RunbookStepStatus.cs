namespace VmMigration.Cmdlets;

/// <summary>How a step of a runbook ended.</summary>
public enum RunbookStepStatus
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>An earlier step failed, or the run was cancelled before.</summary>
    NotRun = 1,

    /// <summary>Its <c>if</c> was false, or its forEach had no items.</summary>
    Skipped = 2,

    /// <summary>The cmdlet ended without an error.</summary>
    Succeeded = 3,

    /// <summary>The cmdlet reported an error, or a value could not be had.</summary>
    Failed = 4,

    /// <summary>The run was cancelled, or <c>always</c> ran out of time, while it ran.</summary>
    Cancelled = 5,

    /// <summary>It would run; the run only plans.</summary>
    Planned = 6,
}
