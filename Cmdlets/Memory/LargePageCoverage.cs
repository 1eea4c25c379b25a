using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>How much of a VM's memory its page tables mapped by large pages.</summary>
/// <param name="MappedBytes">Guest memory that was mapped at all.</param>
/// <param name="LargeBytes">What of it was mapped by pages of 2 MiB or more.</param>
public sealed record LargePageCoverage(long MappedBytes, long LargeBytes)
{
    /// <summary>The share of mapped memory that large pages mapped, from 0 to 1; 0 where nothing was mapped.</summary>
    public double Share => MappedBytes == 0 ? 0 : (double)LargeBytes / MappedBytes;

    /// <summary>The share, and of how much.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{100 * Share:F1} % of {MappedBytes >> 20} MiB");

    internal static LargePageCoverage? From(Engine.Memory.LargePageCoverage? coverage) =>
        coverage is null ? null : new(coverage.MappedBytes, coverage.LargeBytes);
}
