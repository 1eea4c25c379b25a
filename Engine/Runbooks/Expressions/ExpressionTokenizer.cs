using System.Globalization;
using System.Text;

namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>
/// Cuts an expression into tokens. Text stands in single quotes, a quote in it doubled; a number may carry the unit of a size or a
/// duration.
/// </summary>
internal sealed class ExpressionTokenizer(string text, Func<int, SourceLocation> locate)
{
    private const string Operators = "Known are == != < <= > >= && || ! ( ) [ ] and the dot.";
    private static readonly string[] Symbols = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", "."];
    private int position;

    public List<Token> ReadAll()
    {
        List<Token> tokens = [];
        while (true)
        {
            while (position < text.Length && char.IsWhiteSpace(text[position])) position++;
            if (position == text.Length) break;
            tokens.Add(ReadToken());
        }

        tokens.Add(new(TokenKind.End, text.Length, ""));
        return tokens;
    }

    private Token ReadToken()
    {
        int start = position;
        char first = text[start];
        if (first == '\'') return ReadText();
        bool negative = first == '-' && start + 1 < text.Length && char.IsAsciiDigit(text[start + 1]);
        if (char.IsAsciiDigit(first) || negative) return ReadNumber(negative);
        if (char.IsAsciiLetter(first) || first == '_') return ReadName();
        foreach (string symbol in Symbols)
        {
            if (string.CompareOrdinal(text, start, symbol, 0, symbol.Length) != 0) continue;
            position += symbol.Length;
            return new(TokenKind.Symbol, start, symbol);
        }

        string hint = first switch
        {
            '"' => "Write text in single quotes: 'text'.",
            '=' => "Write == to compare.",
            '&' => "Write && for 'and'.",
            '|' => "Write || for 'or'.",
            _ => Operators,
        };
        throw new ExpressionException(locate(start), "InvalidExpression", $"'{first}' means nothing in an expression.", hint);
    }

    private Token ReadText()
    {
        int start = position++;
        var value = new StringBuilder();
        while (position < text.Length)
        {
            char next = text[position++];
            if (next != '\'')
            {
                value.Append(next);
            }
            else if (position < text.Length && text[position] == '\'')
            {
                value.Append('\'');
                position++;
            }
            else
            {
                return new(TokenKind.Literal, start, text[start..position], value.ToString());
            }
        }

        throw new ExpressionException(locate(start), "InvalidExpression", "The text that begins here does not end.",
            "Close it with a single quote; write a quote inside it twice.");
    }

    private Token ReadNumber(bool negative)
    {
        int start = position;
        if (negative) position++;
        while (position < text.Length && (char.IsAsciiLetterOrDigit(text[position]) || IsDecimalPoint())) position++;
        string written = text[start..position];
        if (long.TryParse(written, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
        {
            return new(TokenKind.Literal, start, written, whole);
        }

        if (DurationText.TryParse(written, out TimeSpan duration)) return new(TokenKind.Literal, start, written, duration);
        if (SizeText.TryParse(written, out long bytes)) return new(TokenKind.Literal, start, written, bytes);
        const NumberStyles fraction = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (double.TryParse(written, fraction, CultureInfo.InvariantCulture, out double number))
        {
            return new(TokenKind.Literal, start, written, number);
        }

        throw new ExpressionException(locate(start), "InvalidExpression", $"'{written}' is no number, size or duration.",
            "Write for example 3, 512MiB or 1m30s; put text in single quotes.");
    }

    private bool IsDecimalPoint() =>
        text[position] == '.' && position + 1 < text.Length && char.IsAsciiDigit(text[position + 1]);

    private Token ReadName()
    {
        int start = position;
        while (position < text.Length && (char.IsAsciiLetterOrDigit(text[position]) || text[position] is '_' or '-')) position++;
        string name = text[start..position];
        return name switch
        {
            "true" => new(TokenKind.Literal, start, name, true),
            "false" => new(TokenKind.Literal, start, name, false),
            "null" => new(TokenKind.Literal, start, name, null),
            _ => new(TokenKind.Name, start, name),
        };
    }
}
