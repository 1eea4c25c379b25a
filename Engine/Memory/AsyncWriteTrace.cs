using System.Diagnostics;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Write tracing by userfaultfd write protection in asynchronous mode: the kernel lifts the protection of a page at its first write and
/// remembers that; one PAGEMAP_SCAN collects the written pages and protects them again. The VM's process never waits for the engine.
/// </summary>
/// <remarks>
/// <para>
/// Pages that were never populated are armed too. Where RAM is mapped with large pages, a write reports all of the large page. For one
/// thread at a time.
/// </para>
/// <para>
/// What is not seen is content that changes without a write through the page tables of that process: direct I/O (O_DIRECT, by whatever
/// interface), where the kernel pins a page, which is when it is reported, and the disk writes it later; a device that was given the
/// memory (VFIO, vDPA, RDMA); another process that maps it (vhost-user); a hole punched into the RAM file. Memory with such a writer
/// must not be traced: the caller finds them out beforehand.
/// </para>
/// </remarks>
public sealed class AsyncWriteTrace : WriteTrace
{
    /// <summary>What the userfaultfd must have been made with.</summary>
    public const UserfaultfdFeatures RequiredFeatures = UserfaultfdFeatures.WriteProtectShmem
        | UserfaultfdFeatures.WriteProtectUnpopulated | UserfaultfdFeatures.WriteProtectAsync;

    private readonly Userfaultfd userfaultfd;
    private readonly PidFd target;
    private readonly ulong address;
    private readonly long sizeBytes;
    private readonly PagemapScan scan;
    private long installs;
    private long faults;
    private TimeSpan installTime;
    private bool disposed;

    /// <summary>Registers and arms the memory.</summary>
    /// <param name="userfaultfd">Made inside the VM's process with <see cref="RequiredFeatures"/>; taken over once constructed.</param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process.</param>
    /// <param name="sizeBytes">Size of the RAM block in bytes.</param>
    /// <param name="granularityBytes">Size of the pages that back the RAM: 4 KiB, or 2 MiB where it is mapped with large pages.</param>
    /// <param name="fallback">Why not what was asked for is used; null where it is.</param>
    /// <param name="onHugetlbfs">Whether the RAM is on a hugetlbfs.</param>
    public AsyncWriteTrace(
        Userfaultfd userfaultfd, PidFd target, ulong address, long sizeBytes, int granularityBytes = GuestMemory.PageSizeBytes,
        string? fallback = null, bool onHugetlbfs = false)
    {
        Fallback = fallback;
        this.userfaultfd = userfaultfd;
        this.target = target;
        this.address = address;
        this.sizeBytes = sizeBytes;
        GranularityBytes = granularityBytes;
        long start = Stopwatch.GetTimestamp();
        userfaultfd.Register(address, (ulong)sizeBytes, UserfaultfdModes.WriteProtect);
        try
        {
            scan = new PagemapScan(target.ProcessId);
            if (onHugetlbfs) MakePageTables();

            // A range that was never protected counts as written: arm everything once, so that only later writes are reported.
            scan.ProtectAll(address, End);
        }
        catch
        {
            scan?.Dispose();
            userfaultfd.Unregister(address, (ulong)sizeBytes);
            throw;
        }

        CountInstall(start);
    }

    /// <inheritdoc/>
    public override WriteTraceMechanism Mechanism => WriteTraceMechanism.AsyncWriteProtect;

    /// <inheritdoc/>
    public override int GranularityBytes { get; }

    /// <inheritdoc/>
    public override WriteTraceStatistics Statistics => new()
    {
        Installs = installs,
        InstallTime = installTime,
        Faults = faults,
        GuestStallTime = faults == 0 ? TimeSpan.Zero : FaultCalibration.AsyncFault * faults,
    };

    /// <inheritdoc/>
    public override string? Fallback { get; }

    private ulong End => address + (ulong)sizeBytes;

    /// <inheritdoc/>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the VM's process has ended.</exception>
    public override void CollectAndRearm(PageSet written)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        long start = Stopwatch.GetTimestamp();
        ulong position = address;
        while (position < End)
        {
            ReadOnlySpan<PageRegion> regions = scan.CollectWritten(ref position, End);
            foreach (ref readonly PageRegion region in regions)
            {
                written.AddRange(PageOf(region.Start), PageOf(region.End) - PageOf(region.Start));
                // The kernel lifts what it maps by one entry in one fault.
                faults += ((long)(region.End - region.Start) + GranularityBytes - 1) / GranularityBytes;
            }
        }

        // The scan of an address space that goes away meanwhile can succeed and report nothing.
        if (target.HasExited)
        {
            throw new MigrationException(
                MigrationErrorReason.VmExited, $"Process {target.ProcessId} ended; what it wrote last is not known.");
        }

        CountInstall(start);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        try
        {
            userfaultfd.Unregister(address, (ulong)sizeBytes);
        }
        finally
        {
            scan.Dispose();
            userfaultfd.Dispose();
        }
    }

    /// <summary>
    /// A PAGEMAP_SCAN that protects never comes back from memory of a hugetlbfs that has no page tables yet, 1 GiB in which nothing was
    /// touched, and nothing ends the thread then: the scan waits for a lock it holds itself (walk_hugetlb_range and
    /// hugetlb_change_protection, Linux 6.7 and later). UFFDIO_WRITEPROTECT makes them, and protects as well; they stay as long as the
    /// memory is registered.
    /// </summary>
    private void MakePageTables()
    {
        var spin = new SpinWait();
        while (userfaultfd.WriteProtect(address, (ulong)sizeBytes, protect: true) == UserfaultfdOutcome.Again) spin.SpinOnce();
    }

    private long PageOf(ulong pageAddress) => (long)(pageAddress - address) >> GuestMemory.PageShift;

    private void CountInstall(long startTimestamp)
    {
        installs++;
        installTime += Stopwatch.GetElapsedTime(startTimestamp);
    }
}
