namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>An expression does not parse, or its value cannot be had.</summary>
internal sealed class ExpressionException(SourceLocation location, string code, string message, string hint)
    : MigrationException(MigrationErrorReason.RunbookInvalid, message, hint)
{
    /// <summary>Where in the runbook.</summary>
    public SourceLocation Location { get; } = location;

    /// <summary>Short, stable name of the error.</summary>
    public string Code { get; } = code;

    /// <summary>What to write instead.</summary>
    public string Hint => RecommendedAction!;
}
