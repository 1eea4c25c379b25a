namespace VmMigration.Engine.Runbooks;

/// <summary>A place in a runbook's text.</summary>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column in UTF-16 code units, from 1.</param>
public readonly record struct SourceLocation(int Line, int Column)
{
    /// <summary>The first character of the text.</summary>
    public static SourceLocation Start { get; } = new(1, 1);
}
