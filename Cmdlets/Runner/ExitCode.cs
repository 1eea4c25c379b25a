namespace VmMigration.Runner;

/// <summary>What the process says at its end.</summary>
internal enum ExitCode
{
    /// <summary>All steps succeeded; for <c>validate</c>: the runbook is valid.</summary>
    Success = 0,

    /// <summary>A step failed.</summary>
    StepFailed = 1,

    /// <summary>The runbook, a parameter or an argument is invalid; nothing was run.</summary>
    Invalid = 2,

    /// <summary>Cancelled by Ctrl+C or SIGTERM: 128 and the number of SIGINT, as shells have it.</summary>
    Cancelled = 130,
}
