using System.Diagnostics;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Maps each region of 2 MiB of a RAM file that is on large pages by one entry of the VM's page tables, as soon as the first of its data is in
/// place (process_madvise(2), MADV_COLLAPSE). What arrives later is in the same large page, zeros included.
/// </summary>
/// <remarks>
/// UFFDIO_CONTINUE would map 4 KiB at a time and so take the large page apart for the guest. Where a region cannot be mapped by one entry,
/// because a page of it is poisoned or because its file has small pages there, its pages are mapped one by one.
/// </remarks>
public sealed class LargePagePopulator : PageTablePopulator
{
    private const int PagesPerRegion = (int)(LargePageSettings.PageSizeBytes / GuestMemory.PageSizeBytes);
    private const int MaxAttempts = 4;

    // How a region is mapped.
    private const int NotYet = 0;
    private const int Large = 1;
    private const int Singly = 2;

    private readonly UserfaultfdPopulator singly;
    private readonly PidFd target;
    private readonly ulong address;
    private readonly long sizeBytes;
    private readonly int[] regions;
    private long largeRegions;
    private long elapsedTicks;
    private bool disposed;

    /// <param name="singly">Maps what cannot be mapped by large pages; taken over.</param>
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
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a range outside the RAM block, <see cref="MigrationErrorReason.VmExited"/>
    /// where the process has ended, or what the system call failed with.
    /// </exception>
    public override void Populate(long offset, long lengthBytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (offset < 0 || lengthBytes < 0 || offset > sizeBytes - lengthBytes)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"The range 0x{offset:x}+0x{lengthBytes:x} is outside guest memory of 0x{sizeBytes:x} bytes.");
        }

        long end = offset + lengthBytes;
        for (long position = offset; position < end;)
        {
            int region = (int)(position / LargePageSettings.PageSizeBytes);
            long regionEnd = Math.Min((region + 1) * LargePageSettings.PageSizeBytes, end);
            if (Volatile.Read(ref regions[region]) != Large && !TryCollapse(region, MaxAttempts))
            {
                Interlocked.CompareExchange(ref regions[region], Singly, NotYet);
                singly.Populate(position, regionEnd - position);
            }

            position = regionEnd;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        singly.Dispose();

        // What stood in the way, a range that another connection was just mapping for instance, may be gone.
        try
        {
            for (int region = 0; region < regions.Length; region++)
            {
                if (regions[region] == Singly) TryCollapse(region, attempts: 1);
            }
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // Its page tables went with it.
        }
    }

    private bool TryCollapse(int region, int attempts)
    {
        long start = Stopwatch.GetTimestamp();
        var outcome = CollapseOutcome.Again;
        var spin = new SpinWait();
        for (int attempt = 0; attempt < attempts && outcome == CollapseOutcome.Again; attempt++)
        {
            if (attempt > 0) spin.SpinOnce();
            outcome = ProcessMadvise.Collapse(
                target, address + (ulong)(region * LargePageSettings.PageSizeBytes), (ulong)LargePageSettings.PageSizeBytes);
        }

        Interlocked.Add(ref elapsedTicks, Stopwatch.GetTimestamp() - start);
        if (outcome != CollapseOutcome.Done) return false;
        if (Interlocked.Exchange(ref regions[region], Large) != Large) Interlocked.Increment(ref largeRegions);
        return true;
    }
}
