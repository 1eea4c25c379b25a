using System.Globalization;

namespace VmMigration.Performance;

/// <summary>
/// How two ways compare in one figure, round by round: both ran in the same round, so what else the machine did then met both alike.
/// </summary>
/// <param name="title">What is compared, and which ways.</param>
/// <param name="ratios">The figure of one way by that of its peer, for each round in which both have one.</param>
internal sealed class PairedRatios(string title, IEnumerable<double> ratios)
{
    private readonly double[] ordered = [.. ratios.Order()];

    /// <summary>The median ratio; NaN where no round had both.</summary>
    public double Median => MedianOf(ordered);

    /// <summary>Divides a figure of one way by that of its peer, for each round in which both have one.</summary>
    /// <param name="what">What is compared, padded as its column needs.</param>
    /// <param name="ownName">Name of the way whose figure is divided.</param>
    /// <param name="own">Its runs, one per round; null where it failed.</param>
    /// <param name="peerName">Name of the way whose figure divides.</param>
    /// <param name="peer">Its runs, one per round; null where it failed.</param>
    /// <param name="figure">The figure of a run.</param>
    public static PairedRatios Of<TRun>(
        string what, string ownName, IEnumerable<TRun?> own, string peerName, IEnumerable<TRun?> peer, Func<TRun, double> figure)
        where TRun : class =>
        new(
            $"{what} {ownName}/{peerName,-8}",
            from pair in own.Zip(peer)
            where pair is { First: not null, Second: not null }
            select figure(pair.First!) / figure(pair.Second!));

    /// <summary>The value in the middle; for an even number the mean of the middle two; NaN for none.</summary>
    public static double MedianOf(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        int middle = ordered.Length / 2;
        if (ordered.Length == 0) return double.NaN;
        return ordered.Length % 2 == 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
    }

    /// <summary>Prints the median, the least and the greatest ratio and the number of rounds, in one line.</summary>
    public void Print() => Console.WriteLine(ordered.Length == 0
        ? $"{title} no round in which both completed"
        : string.Create(CultureInfo.InvariantCulture,
            $"{title} median {Median:F3} (from {ordered[0]:F3} to {ordered[^1]:F3}, {ordered.Length} rounds)"));
}
