using System.Diagnostics;
using System.Runtime.ExceptionServices;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Maps each region of 2 MiB of a RAM file that is on large pages by one entry of the VM's page tables, as soon as the first of its data is
/// in place (process_madvise(2), MADV_COLLAPSE). What arrives later is in the same large page, zeros included.
/// </summary>
/// <remarks>
/// <para>
/// UFFDIO_CONTINUE would map 4 KiB at a time and so take the large page apart for the guest. Where a region cannot be mapped by one entry,
/// because no whole large page was free for its file for one, its pages are mapped one by one.
/// </para>
/// <para>
/// Each call first has all processors give up the pages they have set aside (lru_add_drain_all), which takes from microseconds to
/// milliseconds whatever the size of the range. So a thread of its own makes the calls, each for all neighbours that came meanwhile, and
/// the connections do not wait for it.
/// </para>
/// </remarks>
public sealed class LargePagePopulator : PageTablePopulator
{
    private const int PagesPerRegion = (int)(LargePageSettings.PageSizeBytes / GuestMemory.PageSizeBytes);
    private const int MaxAttempts = 4;

    // How a region is mapped.
    private const int NotYet = 0;
    private const int Pending = 1;
    private const int Large = 2;
    private const int Singly = 3;

    private readonly UserfaultfdPopulator singly;
    private readonly PidFd target;
    private readonly ulong address;
    private readonly long sizeBytes;
    private readonly int[] regions;
    private readonly AutoResetEvent wake = new(initialState: false);
    private readonly Thread mapper;
    private ExceptionDispatchInfo? failure;
    private long largeRegions;
    private long elapsedTicks;
    private volatile bool ending;
    private bool disposed;

    /// <param name="singly">Maps what cannot be mapped by large pages; taken over once constructed.</param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process, a multiple of 2 MiB.</param>
    /// <param name="sizeBytes">Size of the RAM block in bytes, a multiple of 2 MiB.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> where either is not.</exception>
    public LargePagePopulator(UserfaultfdPopulator singly, PidFd target, ulong address, long sizeBytes)
    {
        if (!IsAligned(address, sizeBytes))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Memory at 0x{address:x}+0x{sizeBytes:x} does not begin and end with a large page.");
        }

        this.singly = singly;
        this.target = target;
        this.address = address;
        this.sizeBytes = sizeBytes;
        regions = new int[sizeBytes / LargePageSettings.PageSizeBytes];
        mapper = new Thread(Run) { IsBackground = true, Name = $"large pages {target.ProcessId}" };
        mapper.Start();
    }

    /// <inheritdoc/>
    /// <remarks>A large page counts as the 512 pages it maps.</remarks>
    public override PopulationStatistics Statistics
    {
        get
        {
            PopulationStatistics rest = singly.Statistics;
            return new(
                rest.Pages + (Interlocked.Read(ref largeRegions) * PagesPerRegion),
                rest.Elapsed + Stopwatch.GetElapsedTime(0, Interlocked.Read(ref elapsedTicks)));
        }
    }

    /// <summary>Whether a RAM block can be mapped by large pages from its first to its last byte.</summary>
    public static bool IsAligned(ulong address, long sizeBytes) =>
        address % (ulong)LargePageSettings.PageSizeBytes == 0 && sizeBytes % LargePageSettings.PageSizeBytes == 0;

    /// <inheritdoc/>
    public override bool WantsZeros(long offset) => Volatile.Read(ref regions[offset / LargePageSettings.PageSizeBytes]) == NotYet;

    /// <inheritdoc/>
    /// <remarks>Returns before it is done; all is done after disposal.</remarks>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a range outside the RAM block; what an earlier range failed with:
    /// <see cref="MigrationErrorReason.VmExited"/> where the process has ended, or what the system call failed with.
    /// </exception>
    public override void Populate(long offset, long lengthBytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        GuestMemory.CheckRange(offset, lengthBytes, sizeBytes);

        Volatile.Read(ref failure)?.Throw();
        bool added = false;
        long end = (offset + lengthBytes + LargePageSettings.PageSizeBytes - 1) / LargePageSettings.PageSizeBytes;
        for (long region = offset / LargePageSettings.PageSizeBytes; region < end; region++)
        {
            if (Volatile.Read(ref regions[region]) is not (NotYet or Singly)) continue;
            Volatile.Write(ref regions[region], Pending);
            added = true;
        }

        if (added) wake.Set();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        ending = true;
        wake.Set();
        mapper.Join();
        wake.Dispose();
        singly.Dispose();
    }

    private void Run()
    {
        try
        {
            bool last;
            do
            {
                wake.WaitOne();
                last = ending;
                MapPending();
            }
            while (!last);
        }
        catch (Exception exception)
        {
            // Whoever brings the next range hears of it. After the last one it costs the guest its page faults and nothing else.
            Volatile.Write(ref failure, ExceptionDispatchInfo.Capture(exception));
        }
    }

    private void MapPending()
    {
        for (int first = 0; first < regions.Length; first++)
        {
            if (Volatile.Read(ref regions[first]) != Pending) continue;
            int end = first + 1;
            while (end < regions.Length && Volatile.Read(ref regions[end]) == Pending) end++;
            if (!TryCollapse(first, end))
            {
                for (int region = first; region < end; region++) MapOne(region);
            }

            first = end - 1;
        }
    }

    private void MapOne(int region)
    {
        if (TryCollapse(region, region + 1)) return;

        // Before its pages are mapped, so that one that arrives meanwhile brings the region back.
        Volatile.Write(ref regions[region], Singly);
        singly.Populate(region * LargePageSettings.PageSizeBytes, LargePageSettings.PageSizeBytes);
    }

    private bool TryCollapse(int first, int end)
    {
        long start = Stopwatch.GetTimestamp();
        var outcome = CollapseOutcome.Again;
        for (int attempt = 0; attempt < MaxAttempts && outcome == CollapseOutcome.Again; attempt++)
        {
            outcome = ProcessMadvise.Collapse(
                target, address + (ulong)(first * LargePageSettings.PageSizeBytes),
                (ulong)((end - first) * LargePageSettings.PageSizeBytes));
        }

        Interlocked.Add(ref elapsedTicks, Stopwatch.GetTimestamp() - start);
        if (outcome != CollapseOutcome.Done) return false;
        for (int region = first; region < end; region++) Volatile.Write(ref regions[region], Large);
        Interlocked.Add(ref largeRegions, end - first);
        return true;
    }
}
