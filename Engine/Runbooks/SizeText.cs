using System.Globalization;

namespace VmMigration.Engine.Runbooks;

/// <summary>Sizes as runbooks write them: a number of bytes, or a number with one of <c>B KiB MiB GiB TiB</c>.</summary>
public static class SizeText
{
    private static readonly (string Unit, int Shift)[] Units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];

    /// <summary>Reads a size. Fractions are allowed where they come to whole bytes, for example <c>1.5GiB</c>.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        ArgumentNullException.ThrowIfNull(text);
        (string unit, int shift) = Units.FirstOrDefault(known => text.EndsWith(known.Unit, StringComparison.Ordinal), (Unit: "", Shift: 0));
        bytes = 0;
        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (!decimal.TryParse(text.AsSpan(0, text.Length - unit.Length).TrimEnd(), style, CultureInfo.InvariantCulture, out decimal number))
        {
            return false;
        }

        // Also keeps the product below within the range of decimal.
        if (Math.Abs(number) > long.MaxValue >> shift) return false;
        decimal exact = number * (1L << shift);
        if (exact != decimal.Truncate(exact)) return false;
        bytes = (long)exact;
        return true;
    }
}
