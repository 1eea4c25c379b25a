namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>What joins two operands.</summary>
internal enum BinaryOperator
{
    Invalid = 0,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}
