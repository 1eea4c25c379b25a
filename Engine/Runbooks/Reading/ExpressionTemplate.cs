using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Cuts a text into fixed parts and expressions. <c>$${{</c> stands for <c>${{</c> itself.</summary>
internal static class ExpressionTemplate
{
    public const string Open = "${{";
    private const string Close = "}}";

    public static bool IsIn(string text) => text.Contains(Open, StringComparison.Ordinal);

    /// <exception cref="ExpressionException">Where an expression does not parse or does not end.</exception>
    public static RunbookValue Parse(YamlScalar scalar, string file)
    {
        string text = scalar.Text;
        var locator = new ExpressionLocator(file, scalar);
        List<RunbookValue> parts = [];
        var literal = new System.Text.StringBuilder();
        int position = 0;
        while (true)
        {
            int open = text.IndexOf(Open, position, StringComparison.Ordinal);
            if (open < 0) break;
            SourceLocation location = locator.Next();
            if (open > position && text[open - 1] == '$')
            {
                literal.Append(text, position, open - 1 - position).Append(Open);
                position = open + Open.Length;
                continue;
            }

            literal.Append(text, position, open - position);
            Flush(literal, parts, scalar.Location);
            int start = open + Open.Length;
            int close = FindClose(text, start, location);
            Expression expression = ExpressionParser.Parse(text[start..close],
                offset => location with { Column = location.Column + Open.Length + offset });
            parts.Add(new ExpressionValue(location, expression));
            position = close + Close.Length;
        }

        literal.Append(text, position, text.Length - position);
        Flush(literal, parts, scalar.Location);
        return parts is [ExpressionValue or LiteralValue] ? parts[0] : new InterpolatedValue(scalar.Location, parts);
    }

    private static void Flush(System.Text.StringBuilder literal, List<RunbookValue> parts, SourceLocation location)
    {
        if (literal.Length == 0) return;
        parts.Add(new LiteralValue(location, literal.ToString()));
        literal.Clear();
    }

    /// <summary>The braces that end the expression; braces in quoted text do not.</summary>
    private static int FindClose(string text, int start, SourceLocation location)
    {
        bool quoted = false;
        for (int index = start; index < text.Length; index++)
        {
            if (text[index] == '\'') quoted = !quoted;
            if (!quoted && string.CompareOrdinal(text, index, Close, 0, Close.Length) == 0) return index;
        }

        throw new ExpressionException(location, "InvalidExpression", "The expression that begins here does not end.",
            "Close it with '}}', and each text in it with a single quote.");
    }
}
