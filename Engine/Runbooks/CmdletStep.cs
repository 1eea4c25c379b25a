namespace VmMigration.Engine.Runbooks;

/// <summary>A step that runs one cmdlet.</summary>
public sealed record CmdletStep : RunbookStep
{
    /// <summary>The cmdlet.</summary>
    public required StepCmdlet Cmdlet { get; init; }

    /// <summary>What it is given; the runbook's <c>defaults</c> for this cmdlet are already among them.</summary>
    public required IReadOnlyList<StepArgument> Arguments { get; init; }
}
