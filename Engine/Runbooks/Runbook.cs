namespace VmMigration.Engine.Runbooks;

/// <summary>A runbook that was read and found valid: every cmdlet, parameter and reference in it exists.</summary>
public sealed record Runbook
{
    /// <summary>Where it was read from, as the path was given.</summary>
    public required string File { get; init; }

    /// <summary>What it is called and for.</summary>
    public required RunbookMetadata Metadata { get; init; }

    /// <summary>The values it can be given, in the order of their declaration.</summary>
    public required IReadOnlyList<ParameterDeclaration> Parameters { get; init; }

    /// <summary>What it does, one after another.</summary>
    public required IReadOnlyList<RunbookStep> Steps { get; init; }

    /// <summary>What it does at the end, whether the steps succeeded, failed or were cancelled.</summary>
    public required IReadOnlyList<RunbookStep> Always { get; init; }

    /// <summary>Values handed to the caller after success, by name.</summary>
    public required IReadOnlyList<KeyValuePair<string, RunbookValue>> Outputs { get; init; }
}
