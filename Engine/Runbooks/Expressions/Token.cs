namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>One token of an expression.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Offset">Where it begins in the expression's text.</param>
/// <param name="Text">A name, an operator or punctuation as written.</param>
/// <param name="Value">The value of a literal.</param>
internal readonly record struct Token(TokenKind Kind, int Offset, string Text, object? Value = null);

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    Invalid = 0,
    Name,
    Literal,
    Symbol,
    End,
}
