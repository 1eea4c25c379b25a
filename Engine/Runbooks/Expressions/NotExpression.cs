namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary><c>!operand</c>.</summary>
internal sealed record NotExpression(SourceLocation Location, Expression Operand) : Expression(Location);
