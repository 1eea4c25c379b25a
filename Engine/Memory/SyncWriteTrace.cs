using System.Diagnostics;
using System.Numerics;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Write tracing by userfaultfd write protection whose faults an engine thread handles: the first write to a region lifts its protection
/// as a whole, so that the guest waits for the engine once per region and not once per page. Each page of a lifted region may still take a
/// fault that the kernel resolves by itself (<see cref="TraceCosts.LiftedPage"/>).
/// </summary>
/// <remarks>
/// The vCPU that writes first waits for the engine, some ten microseconds, longer where <see cref="FaultDelay"/> says so. Regions never
/// populated are armed too. What is not seen is what <see cref="AsyncWriteTrace"/> does not see. Where RAM is mapped with transparent large
/// pages, arming splits the mappings. Collecting is for one thread at a time.
/// </remarks>
public sealed class SyncWriteTrace : WriteTrace
{
    /// <summary>What the userfaultfd must have been made with, besides handling kernel-mode faults.</summary>
    public const UserfaultfdFeatures RequiredFeatures = UserfaultfdFeatures.WriteProtectShmem | UserfaultfdFeatures.WriteProtectUnpopulated;

    private readonly FirstWriteHandler handler;
    private readonly PageSet regions;
    private long installs;
    private TimeSpan installTime;
    private bool disposed;

    /// <summary>Registers and arms the memory.</summary>
    /// <param name="userfaultfd">
    /// Made inside the VM's process with <see cref="RequiredFeatures"/> and for kernel-mode faults; taken over once constructed.
    /// </param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process.</param>
    /// <param name="sizeBytes">Size of the RAM block in bytes; it need not be a multiple of the granularity.</param>
    /// <param name="granularityBytes">Size of a region: a power of two from a page to <see cref="WriteTrace.MaxGranularityBytes"/>.</param>
    /// <param name="fallback">Why not what was asked for is used; null where it is.</param>
    public SyncWriteTrace(
        Userfaultfd userfaultfd, PidFd target, ulong address, long sizeBytes, int granularityBytes, string? fallback = null)
    {
        if (granularityBytes is < GuestMemory.PageSizeBytes or > MaxGranularityBytes || !BitOperations.IsPow2(granularityBytes))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"A write trace has a granularity of a power of two from {GuestMemory.PageSizeBytes} to {MaxGranularityBytes} bytes,"
                + $" not {granularityBytes}.");
        }

        GranularityBytes = granularityBytes;
        Fallback = fallback;
        long start = Stopwatch.GetTimestamp();
        handler = new FirstWriteHandler(userfaultfd, target, address, sizeBytes, granularityBytes);
        try
        {
            regions = new PageSet(handler.RegionCount);
            handler.Add(0, handler.RegionCount);
        }
        catch
        {
            handler.Dispose();
            throw;
        }

        PageCount = sizeBytes >> GuestMemory.PageShift;
        CountInstall(start);
    }

    /// <inheritdoc/>
    public override WriteTraceMechanism Mechanism => WriteTraceMechanism.SyncWriteProtect;

    /// <inheritdoc/>
    public override int GranularityBytes { get; }

    /// <inheritdoc/>
    public override string? Fallback { get; }

    /// <inheritdoc/>
    public override bool CanDelayFaults => true;

    /// <inheritdoc/>
    public override TimeSpan FaultDelay
    {
        get => handler.FaultDelay;
        set => handler.FaultDelay = value;
    }

    /// <inheritdoc/>
    public override WriteTraceStatistics Statistics => new()
    {
        Installs = installs,
        InstallTime = installTime,
        Faults = handler.Faults,
        GuestStallTime = handler.StallTime,
        MaxFaultDelay = handler.MaxFaultDelay,
    };

    private long PageCount { get; }

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where the VM's process has ended, or what handling a fault failed with.
    /// </exception>
    public override void CollectAndRearm(PageSet written)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        long start = Stopwatch.GetTimestamp();
        regions.Clear();
        handler.CopyMarks(regions);
        int pagesPerRegion = GranularityBytes >> GuestMemory.PageShift;
        for (long from = 0; regions.TryFindRun(from, regions.PageCount, out long first, out long count); from = first + count)
        {
            long firstPage = first * pagesPerRegion;
            written.AddRange(firstPage, Math.Min(count * pagesPerRegion, PageCount - firstPage));
            handler.Rearm(first, count);
        }

        handler.ThrowIfFailed();
        CountInstall(start);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        handler.Dispose();
    }

    private void CountInstall(long startTimestamp)
    {
        installs++;
        installTime += Stopwatch.GetElapsedTime(startTimestamp);
    }
}
