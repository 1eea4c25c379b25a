namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>A value written in the expression: text, number, size, duration, boolean or null.</summary>
internal sealed record LiteralExpression(SourceLocation Location, object? Value) : Expression(Location);
