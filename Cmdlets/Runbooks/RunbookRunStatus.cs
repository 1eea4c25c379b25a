namespace VmMigration.Cmdlets;

/// <summary>How a run of a runbook ended.</summary>
public enum RunbookRunStatus
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Every step succeeded or was skipped.</summary>
    Succeeded = 1,

    /// <summary>A step failed; those after it were not run, those under <c>always</c> were.</summary>
    Failed = 2,

    /// <summary>The run was cancelled; the steps under <c>always</c> were run.</summary>
    Cancelled = 3,

    /// <summary>Only planned: no step that changes anything was run.</summary>
    Planned = 4,
}
