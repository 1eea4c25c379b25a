namespace VmMigration.Engine.Runbooks;

/// <summary>A value that a runbook can be given.</summary>
public sealed record ParameterDeclaration
{
    /// <summary>Its name; compared without regard to case.</summary>
    public required string Name { get; init; }

    /// <summary>Its type.</summary>
    public required ParameterType Type { get; init; }

    /// <summary>Where it is declared.</summary>
    public required SourceLocation Location { get; init; }

    /// <summary>A sentence for people; null where there is none.</summary>
    public string? Description { get; init; }

    /// <summary>The value taken where none is given; null where one must be given.</summary>
    public object? Default { get; init; }

    /// <summary>The least value; for a string, its least length. Null means no limit.</summary>
    public object? Minimum { get; init; }

    /// <summary>The greatest value; for a string, its greatest length. Null means no limit.</summary>
    public object? Maximum { get; init; }

    /// <summary>The only values allowed; empty means any.</summary>
    public IReadOnlyList<object> Allowed { get; init; } = [];
}
