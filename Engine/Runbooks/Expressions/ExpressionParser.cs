namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>
/// Parses an expression by recursive descent. From weakest to strongest: <c>||</c>, <c>&amp;&amp;</c>, one comparison, <c>!</c>,
/// parentheses.
/// </summary>
internal sealed class ExpressionParser
{
    /// <summary>Longest text, in characters; with <see cref="MaxDepth"/> it keeps the stack small whatever a runbook holds.</summary>
    private const int MaxLength = 1000;

    /// <summary>Most parentheses within each other.</summary>
    private const int MaxDepth = 64;

    private readonly List<Token> tokens;
    private readonly Func<int, SourceLocation> locate;
    private int next;
    private int depth;

    private ExpressionParser(string text, Func<int, SourceLocation> locate)
    {
        this.locate = locate;
        tokens = new ExpressionTokenizer(text, locate).ReadAll();
    }

    private Token Current => tokens[next];

    /// <param name="text">What stands between the braces.</param>
    /// <param name="locate">Turns an offset in <paramref name="text"/> into a place in the runbook.</param>
    /// <exception cref="ExpressionException">Where the text is no expression.</exception>
    public static Expression Parse(string text, Func<int, SourceLocation> locate)
    {
        if (text.Length > MaxLength)
        {
            throw new ExpressionException(locate(0), "InvalidExpression", $"The expression has {text.Length} characters.",
                $"Keep to {MaxLength}; split it over the 'if' of several steps.");
        }

        var parser = new ExpressionParser(text, locate);
        Expression expression = parser.ParseOr();
        return parser.Current.Kind == TokenKind.End ? expression : throw parser.Unexpected("an operator or the end");
    }

    private Expression ParseOr()
    {
        if (++depth > MaxDepth)
        {
            throw new ExpressionException(locate(Current.Offset), "InvalidExpression", "The expression is nested too deeply.",
                $"Keep to {MaxDepth} levels; move parts into the 'if' of earlier steps.");
        }

        Expression left = ParseAnd();
        while (TryTake("||", out Token token)) left = new BinaryExpression(At(token), BinaryOperator.Or, left, ParseAnd());
        depth--;
        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseComparison();
        while (TryTake("&&", out Token token)) left = new BinaryExpression(At(token), BinaryOperator.And, left, ParseComparison());
        return left;
    }

    private Expression ParseComparison()
    {
        Expression left = ParseNot();
        if (Current.Kind != TokenKind.Symbol) return left;
        BinaryOperator comparison = Current.Text switch
        {
            "==" => BinaryOperator.Equal,
            "!=" => BinaryOperator.NotEqual,
            "<" => BinaryOperator.Less,
            "<=" => BinaryOperator.LessOrEqual,
            ">" => BinaryOperator.Greater,
            ">=" => BinaryOperator.GreaterOrEqual,
            _ => BinaryOperator.Invalid,
        };
        if (comparison == BinaryOperator.Invalid) return left;
        Token token = tokens[next++];
        return new BinaryExpression(At(token), comparison, left, ParseNot());
    }

    private Expression ParseNot()
    {
        List<Token> negations = [];
        while (TryTake("!", out Token token)) negations.Add(token);
        Expression operand = ParseOperand();
        for (int index = negations.Count - 1; index >= 0; index--) operand = new NotExpression(At(negations[index]), operand);
        return operand;
    }

    private Expression ParseOperand()
    {
        Token token = Current;
        if (TryTake("(", out _))
        {
            Expression inner = ParseOr();
            return TryTake(")", out _) ? inner : throw Unexpected("')'");
        }

        if (token.Kind is not (TokenKind.Literal or TokenKind.Name)) throw Unexpected("a value");
        next++;
        return token.Kind == TokenKind.Literal
            ? new LiteralExpression(At(token), token.Value)
            : new ReferenceExpression(At(token), token.Text, ParseSegments());
    }

    private List<ReferenceSegment> ParseSegments()
    {
        List<ReferenceSegment> segments = [];
        while (true)
        {
            if (TryTake(".", out _))
            {
                // A keyword after a dot is a name like any other.
                Token name = Current;
                bool isName = name.Kind == TokenKind.Name || (name.Kind == TokenKind.Literal && name.Text is "true" or "false" or "null");
                if (!isName) throw Unexpected("the name of a property");
                next++;
                segments.Add(new(At(name), name.Text));
            }
            else if (TryTake("[", out Token bracket))
            {
                if (Current.Value is not long index || index is < int.MinValue or > int.MaxValue) throw Unexpected("a whole number");
                next++;
                if (!TryTake("]", out _)) throw Unexpected("']'");
                segments.Add(new(At(bracket), null, (int)index));
            }
            else
            {
                return segments;
            }
        }
    }

    private bool TryTake(string symbol, out Token token)
    {
        token = Current;
        if (token.Kind != TokenKind.Symbol || token.Text != symbol) return false;
        next++;
        return true;
    }

    private SourceLocation At(Token token) => locate(token.Offset);

    private ExpressionException Unexpected(string expected)
    {
        string found = Current.Kind == TokenKind.End ? "The expression ends" : $"'{Current.Text}' stands";
        return new(locate(Current.Offset), "InvalidExpression", $"{found} where {expected} should be.",
            "An expression looks like ${{ parameters.name }}, ${{ steps.id.output.Property }} or ${{ item.x == 'text' && !parameters.on }}.");
    }
}
