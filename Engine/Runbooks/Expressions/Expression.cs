namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>A parsed expression of a runbook, what stands between <c>${{</c> and <c>}}</c>.</summary>
public abstract record Expression
{
    private protected Expression(SourceLocation location) => Location = location;

    /// <summary>Where it begins.</summary>
    public SourceLocation Location { get; }
}
