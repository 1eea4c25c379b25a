using System.Globalization;

namespace VmMigration.Engine.Disks;

/// <summary>
/// Decides what a transfer begins with. Without input and output: what the files show comes in as <see cref="FragmentEvidence"/>.
/// </summary>
internal static class DiskResumptionDecision
{
    /// <summary>What setting a comparison up takes over sending at once: the fragment is moved, and digests cross before the first block.</summary>
    private static readonly TimeSpan compareSetup = TimeSpan.FromMilliseconds(50);

    // Rough rates of storage and networks of this decade. Their ratio is what decides: comparing reads at the destination what sending would
    // carry over the network and write.
    private const double ReadBytesPerSecond = 2e9;
    private const double SendBytesPerSecond = 1e9;

    // Between two tries most of a disk stays as it was.
    private const double UnchangedShareAfterWriting = 0.75;
    private const double UnchangedShareAfterDamage = 0.95;

    /// <summary>Decides by the fragments of the disk that can be used.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="fragments">What the fragments of the same disk show.</param>
    /// <returns>The way, with its reason.</returns>
    public static DiskResumption Decide(IncomingDiskRequest request, IReadOnlyList<FragmentEvidence> fragments)
    {
        if (fragments.Count == 0 || !request.Options.UseFragment) return DiskResumption.Fresh;
        return fragments.Select(fragment => Decide(request, fragment))
            .OrderBy(one => one.Kind switch { DiskResumptionKind.Continued => 0, DiskResumptionKind.Compared => 1, _ => 2 })
            .ThenByDescending(one => one.OffsetBytes)
            .First();
    }

    /// <summary>Decides by one fragment.</summary>
    public static DiskResumption Decide(IncomingDiskRequest request, FragmentEvidence fragment)
    {
        TransferRecord record = fragment.Record;
        bool sameContents = record.Source.Generation == request.Source.Generation
            && record.Source.VirtualSizeBytes == request.Source.VirtualSizeBytes;
        if (sameContents && fragment.Damage == FragmentDamage.None && record.OffsetBytes > 0)
        {
            return new(DiskResumptionKind.Continued, record.Id, record.OffsetBytes,
                $"The disk was not written since: its first {Format(record.OffsetBytes)} of {Format(record.SizeBytes)} stay.");
        }

        if (fragment.Damage == FragmentDamage.FileTruncated && record.DestinationFormat == DiskFormat.Qcow2)
        {
            return new(DiskResumptionKind.Anew, record.Id, 0,
                "The fragment has been truncated, and an image without its end cannot be opened for a comparison.");
        }

        string why = sameContents ? Explain(fragment.Damage) : Explain(record.Source.Generation, request.Source.Generation);
        double unchangedShare = sameContents ? UnchangedShareAfterDamage : UnchangedShareAfterWriting;
        return ComparingPays(request, fragment, unchangedShare)
            ? new(DiskResumptionKind.Compared, record.Id, 0, $"{why} Every block is compared, and those that differ are sent.")
            : new(DiskResumptionKind.Anew, record.Id, 0,
                $"{why} Comparing the {Format(fragment.AllocatedBytes)} that are there would take longer than sending the disk.");
    }

    /// <summary>Whether the time that comparing takes is less than the time it is expected to save.</summary>
    private static bool ComparingPays(IncomingDiskRequest request, FragmentEvidence fragment, double unchangedShare)
    {
        long limit = request.Options.MaxBytesPerSecond;
        double sendRate = limit == 0 ? SendBytesPerSecond : Math.Min(limit, SendBytesPerSecond);
        double usefulBytes = Math.Min(fragment.AllocatedBytes, DiskSpaceNeed.Estimate(request));
        double saved = usefulBytes * unchangedShare / sendRate;
        double cost = (fragment.AllocatedBytes / ReadBytesPerSecond) + compareSetup.TotalSeconds;
        return cost < saved;
    }

    private static string Explain(FragmentDamage damage) => damage switch
    {
        FragmentDamage.FileTruncated => "The fragment is shorter than its record says.",
        FragmentDamage.DigestsTruncated => "Digests of the fragment are missing.",
        FragmentDamage.DigestsChanged => "The fragment's digests are not those of its record.",
        _ => "Nothing of the fragment is recorded as being there for good.",
    };

    private static string Explain(DiskGeneration before, DiskGeneration now) => before.SizeBytes == now.SizeBytes
        ? "The disk was written since the fragment was copied."
        : $"The disk was written since the fragment was copied: its file had {Format(before.SizeBytes)} and has {Format(now.SizeBytes)} now.";

    private static string Format(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.##} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.##} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
    };
}
