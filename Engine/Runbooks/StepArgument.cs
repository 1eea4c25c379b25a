namespace VmMigration.Engine.Runbooks;

/// <summary>What one parameter of a step's cmdlet is given.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="Value">The value, to be evaluated when the step runs.</param>
public sealed record StepArgument(StepParameter Parameter, RunbookValue Value);
