using System.Globalization;
using System.Text.RegularExpressions;

namespace VmMigration.Engine.Runbooks;

/// <summary>
/// Durations as runbooks write them: <c>500ms</c>, <c>30s</c>, <c>5m</c>, <c>2h</c>, <c>1d</c>, together as <c>1m30s</c>, or
/// <c>00:01:30</c>.
/// </summary>
public static partial class DurationText
{
    /// <summary>Reads a duration; a number without a unit is none.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Contains(':', StringComparison.Ordinal))
        {
            return TimeSpan.TryParseExact(text, ["c", "g"], CultureInfo.InvariantCulture, out duration);
        }

        duration = TimeSpan.Zero;
        Match match = Pattern().Match(text);
        if (!match.Success) return false;
        try
        {
            foreach (Capture part in match.Groups["part"].Captures)
            {
                int digits = part.Value.AsSpan().LastIndexOfAnyInRange('0', '9') + 1;
                double number = double.Parse(part.Value.AsSpan(0, digits), CultureInfo.InvariantCulture);
                duration += part.Value.AsSpan(digits) switch
                {
                    "ms" => TimeSpan.FromMilliseconds(number),
                    "s" => TimeSpan.FromSeconds(number),
                    "m" => TimeSpan.FromMinutes(number),
                    "h" => TimeSpan.FromHours(number),
                    _ => TimeSpan.FromDays(number),
                };
            }
        }
        catch (OverflowException)
        {
            return false;
        }

        return true;
    }

    [GeneratedRegex(@"^(?:(?<part>[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)))+\z", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
