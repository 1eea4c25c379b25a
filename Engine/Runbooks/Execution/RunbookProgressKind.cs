namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>What happened in a run.</summary>
public enum RunbookProgressKind
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>The run begins.</summary>
    RunStarted = 1,

    /// <summary>A step begins; its condition held.</summary>
    StepStarted = 2,

    /// <summary>The step's cmdlet told of progress or gave a warning.</summary>
    StepActivity = 3,

    /// <summary>A step ended, or was skipped.</summary>
    StepEnded = 4,

    /// <summary>The run has ended.</summary>
    RunEnded = 5,
}
