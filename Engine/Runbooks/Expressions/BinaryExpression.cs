namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>Two operands and what joins them.</summary>
/// <param name="Location">Where the operator stands.</param>
/// <param name="Operator">What joins them.</param>
/// <param name="Left">The operand before it.</param>
/// <param name="Right">The operand after it.</param>
internal sealed record BinaryExpression(SourceLocation Location, BinaryOperator Operator, Expression Left, Expression Right)
    : Expression(Location);
