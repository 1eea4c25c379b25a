using System.Globalization;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets;

/// <summary>
/// A granularity argument: PowerShell makes it from the word <c>Auto</c>, from a number of bytes, or from text such as <c>2MB</c> or
/// <c>2MiB</c>. Whether the number is a possible one is the engine's to say.
/// </summary>
public sealed class WriteTraceGranularity
{
    private const string AutoWord = "Auto";

    /// <param name="bytes">Unit in which writes are traced, in bytes; 0 means Auto.</param>
    /// <exception cref="FormatException">It is below 0 or above the largest there can be.</exception>
    public WriteTraceGranularity(long bytes) => Bytes = bytes is >= 0 and <= int.MaxValue
        ? (int)bytes
        : throw NotOne(bytes.ToString(CultureInfo.InvariantCulture));

    /// <param name="text">Auto, a number of bytes, or a number with KB, MB, GB, KiB, MiB or GiB: all of them powers of two.</param>
    /// <exception cref="FormatException">It is none of these.</exception>
    public WriteTraceGranularity(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Bytes = text.Trim().Equals(AutoWord, StringComparison.OrdinalIgnoreCase) ? 0 : Parse(text.Trim());
    }

    /// <summary>Unit in which writes are traced, in bytes; 0 means Auto.</summary>
    public int Bytes { get; }

    /// <summary>The word Auto, or the number of bytes.</summary>
    public override string ToString() => Bytes == 0 ? AutoWord : Bytes.ToString(CultureInfo.InvariantCulture);

    private static int Parse(string text)
    {
        // PowerShell's own literals say KB and mean 1024; runbooks say KiB.
        bool isPowerShellUnit = text is [.., 'K' or 'k' or 'M' or 'm' or 'G' or 'g', 'B' or 'b'];
        string size = isPowerShellUnit ? $"{text[..^2].TrimEnd()}{char.ToUpperInvariant(text[^2])}iB" : text;
        return SizeText.TryParse(size, out long bytes) && bytes is >= 0 and <= int.MaxValue ? (int)bytes : throw NotOne(text);
    }

    private static FormatException NotOne(string text) =>
        new($"'{text}' is no granularity. Write Auto, or a size such as 4KB, 64KB, 2MB or 1GB.");
}
