using System.Globalization;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Turns text into the type its place asks for.</summary>
internal static class ScalarTyping
{
    /// <summary>Converts the text written for a cmdlet's parameter.</summary>
    /// <param name="text">The text.</param>
    /// <param name="isPlain">Whether it was written without quotes, which only matters for <see cref="StepParameterType.Any"/>.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="value">The value; null where there is a problem.</param>
    /// <returns>What to write instead; null where the text was converted.</returns>
    public static string? Convert(string text, bool isPlain, StepParameter parameter, out object? value)
    {
        value = null;
        switch (parameter.Type)
        {
            case StepParameterType.Text:
                value = text;
                return null;
            case StepParameterType.Integer when TryInteger(text, out long integer):
                value = integer;
                return null;
            case StepParameterType.Number when TryNumber(text, out double number):
                value = number;
                return null;
            case StepParameterType.Boolean when TryBoolean(text, out bool flag):
                value = flag;
                return null;
            case StepParameterType.Duration when DurationText.TryParse(text, out TimeSpan duration):
                value = duration;
                return null;
            case StepParameterType.Choice when FindChoice(text, parameter.Choices) is { } choice:
                value = choice;
                return null;
            case StepParameterType.Any:
                value = isPlain && TryBoolean(text, out bool plainFlag) ? plainFlag
                    : isPlain && TryWholeNumber(text, out long plainInteger) ? plainInteger
                    : text;
                return null;
            case StepParameterType.Choice:
                return NearestName.Hint(text, parameter.Choices);
            default:
                return Example(parameter.Type);
        }
    }

    /// <summary>Converts the text written for a runbook's parameter; the result and <paramref name="value"/> are as above.</summary>
    public static string? Convert(string text, ParameterType type, out object? value)
    {
        value = null;
        switch (type)
        {
            case ParameterType.String:
                value = text;
                return null;
            case ParameterType.Int when TryWholeNumber(text, out long integer):
                value = integer;
                return null;
            case ParameterType.Bool when TryBoolean(text, out bool flag):
                value = flag;
                return null;
            case ParameterType.Size when SizeText.TryParse(text, out long bytes):
                value = bytes;
                return null;
            case ParameterType.Duration when DurationText.TryParse(text, out TimeSpan duration):
                value = duration;
                return null;
            default:
                return Example(type);
        }
    }

    /// <summary>A hint that shows how a value of the type is written.</summary>
    public static string Example(ParameterType type) => type switch
    {
        ParameterType.Int => "Write a whole number such as 3.",
        ParameterType.Bool => "Write true or false.",
        ParameterType.Size => "Write bytes or a size with KiB, MiB, GiB or TiB, for example 512MiB.",
        ParameterType.Duration => "Write a duration with ms, s, m, h or d, for example 90s or 1m30s.",
        _ => "Write a text.",
    };

    private static string Example(StepParameterType type) => type switch
    {
        StepParameterType.Integer => "Write a whole number, or bytes as for example 512MiB.",
        StepParameterType.Number => "Write a number such as 0.5.",
        StepParameterType.Boolean => Example(ParameterType.Bool),
        StepParameterType.Duration => Example(ParameterType.Duration),
        _ => "Write a text.",
    };

    private static bool TryInteger(string text, out long value) => TryWholeNumber(text, out value) || SizeText.TryParse(text, out value);

    /// <summary>
    /// Decimal, or hexadecimal after 0x as addresses are written; more than 16 digits, or a sign made by them, is no number.
    /// </summary>
    private static bool TryWholeNumber(string text, out long value) => text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
        ? long.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value) && value >= 0
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private static bool TryNumber(string text, out double value)
    {
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(text, style, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Only the two words of YAML 1.2: yes, no, on and off mean different things to different readers.</summary>
    private static bool TryBoolean(string text, out bool value)
    {
        value = text is "true" or "True" or "TRUE";
        return value || text is "false" or "False" or "FALSE";
    }

    private static string? FindChoice(string text, IEnumerable<string> choices) =>
        choices.FirstOrDefault(choice => choice.Equals(text, StringComparison.OrdinalIgnoreCase));
}
