namespace VmMigration.Engine.Runbooks;

/// <summary>A parameter of a cmdlet, as far as a runbook has to know it.</summary>
public sealed record StepParameter
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>What text written for it is turned into.</summary>
    public required StepParameterType Type { get; init; }

    /// <summary>Other names for it.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Whether it takes several values.</summary>
    public bool IsList { get; init; }

    /// <summary>Whether the cmdlet cannot run without it, whichever way it is called.</summary>
    public bool IsMandatory { get; init; }

    /// <summary>The only values of a <see cref="StepParameterType.Choice"/>; else empty.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];
}
