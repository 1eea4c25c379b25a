namespace VmMigration.Runner;

/// <summary>What the process says at its end.</summary>
internal enum ExitCode
{
    /// <summary>
    /// All steps succeeded; for <c>validate</c>: the runbook is valid; for <c>host</c>: the agent was asked to stop and has stopped.
    /// </summary>
    Success = 0,

    /// <summary>A step failed; for <c>host</c>: the agent could not start although its configuration is valid.</summary>
    StepFailed = 1,

    /// <summary>The runbook, a parameter, an argument or the agent's configuration is invalid; nothing was run.</summary>
    Invalid = 2,

    /// <summary>For <c>host</c>: the agent stopped, and something had not ended in time; its log and its next start say what.</summary>
    StoppedLate = 3,

    /// <summary>Cancelled by Ctrl+C or SIGTERM: 128 and the number of SIGINT, as shells have it.</summary>
    Cancelled = 130,
}
