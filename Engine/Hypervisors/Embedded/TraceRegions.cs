using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Which regions of memory a write trace lifts as a whole at a first write, and which it lifts page by page. All start whole. A region that
/// was written is tried page by page: where few of its pages are written between two collections it stays so, since whole it would be
/// reported for nothing; where many are it is lifted whole again, since every page would cost a fault, and tried again ever more seldom.
/// How many are many depends on how many faults the guest can bear: a guest that writes faster than that slows itself down by faults, and
/// sparse is then only what its faults left it time for.
/// </summary>
/// <remarks>One collection at a time; several threads may tell what was collected of different regions, and every vCPU may ask.</remarks>
/// <param name="regionCount">Number of regions.</param>
internal sealed class TraceRegions(long regionCount)
{
    /// <summary>Size of a region in bytes.</summary>
    public const int RegionBytes = 2 << 20;

    /// <summary>Pages of a region.</summary>
    public const int PagesPerRegion = RegionBytes / GuestMemory.PageSizeBytes;

    /// <summary>Written pages from which on a region is better lifted whole, whatever the guest can bear.</summary>
    public const int DensePages = PagesPerRegion / 2;

    private const byte FirstRest = 8;
    private const byte LongestRest = 64;

    private readonly bool[] fine = new bool[regionCount];
    private readonly byte[] rests = new byte[regionCount];
    private readonly byte[] resting = new byte[regionCount];
    private long fineCount;
    private long dense = DensePages;
    private long refinements = long.MaxValue;
    private long finePages;
    private long fineWritten;

    /// <summary>Number of regions that are lifted page by page.</summary>
    public long FineCount => Interlocked.Read(ref fineCount);

    /// <summary>Number of regions that are lifted whole.</summary>
    public long WholeCount => fine.Length - FineCount;

    /// <summary>Whether the region is lifted page by page.</summary>
    public bool IsFine(long region) => Volatile.Read(ref fine[region]);

    /// <summary>Begins a collection.</summary>
    /// <param name="bearableFaults">How many faults the guest could have borne since the last one.</param>
    public void Begin(double bearableFaults)
    {
        // Every page of a refined region may cost a fault, so not all regions are tried at once.
        refinements = Math.Max(1, (long)(bearableFaults / PagesPerRegion));
        dense = finePages <= bearableFaults ? DensePages : Math.Clamp((long)(bearableFaults / fineWritten), 1, DensePages);
        finePages = 0;
        fineWritten = 0;
    }

    /// <summary>Decides how a region that was written is armed from now on.</summary>
    /// <param name="region">Its number.</param>
    /// <param name="pages">How many of its pages were reported, at least one; all of them where it was lifted whole.</param>
    public void Collected(long region, int pages)
    {
        if (!fine[region])
        {
            if (resting[region] > 0) resting[region]--;
            else if (Interlocked.Decrement(ref refinements) >= 0) Set(region, true);
            return;
        }

        Interlocked.Add(ref finePages, pages);
        Interlocked.Increment(ref fineWritten);
        if (pages >= dense)
        {
            rests[region] = rests[region] == 0 ? FirstRest : (byte)Math.Min(LongestRest, rests[region] * 2);
            resting[region] = rests[region];
            Set(region, false);
        }
        else
        {
            rests[region] = 0;
        }
    }

    private void Set(long region, bool value)
    {
        Volatile.Write(ref fine[region], value);
        Interlocked.Add(ref fineCount, value ? 1 : -1);
    }
}
