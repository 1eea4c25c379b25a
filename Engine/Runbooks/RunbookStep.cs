namespace VmMigration.Engine.Runbooks;

/// <summary>One step of a runbook.</summary>
public abstract record RunbookStep
{
    /// <summary>Its id, unique in the runbook.</summary>
    public required string Id { get; init; }

    /// <summary>Where it begins.</summary>
    public required SourceLocation Location { get; init; }

    /// <summary>Runs only where this is true; null always runs.</summary>
    public RunbookValue? Condition { get; init; }

    /// <summary>Runs once for each item of this list; null runs once.</summary>
    public RunbookValue? ForEach { get; init; }

    /// <summary>Most items under way at once; null means one after another.</summary>
    public RunbookValue? Throttle { get; init; }
}
