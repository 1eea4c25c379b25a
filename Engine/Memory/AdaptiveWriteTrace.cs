using System.Diagnostics;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Write tracing that finds out, region by region, which way costs the guest least. Where one fault spares many, it starts coarse: all RAM
/// is traced in regions of 2 MiB whose first write the engine handles. A region that turns out to be written is refined: the kernel traces
/// its pages one by one. One in which nearly every page is written each pass is coarsened again, and looked at anew from time to time.
/// </summary>
/// <remarks>
/// <para>
/// Whether one fault spares many is measured (<see cref="TraceCosts.LiftedPage"/>). Where each page of a lifted region takes a fault of its
/// own nonetheless, a coarse region costs the guest the engine's fault on top and spares it nothing: all RAM is then traced page by page
/// from the start, and dense regions are coarsened only while first writes are to be held back, which takes the engine.
/// </para>
/// <para>
/// A region changes hands only in a collection that reports it as written in whole, so that no write falls between the two. What is not
/// seen is what <see cref="AsyncWriteTrace"/> does not see. Collecting is for one thread at a time.
/// </para>
/// </remarks>
public sealed class AdaptiveWriteTrace : WriteTrace
{
    /// <summary>Size of a region in bytes.</summary>
    public const int RegionBytes = 2 << 20;

    // The kernel keeps a mapping of its own per run of equal regions; a process may have 65530 (vm.max_map_count) and needs most itself.
    private const int MaxRuns = 8192;
    private const int PagesPerRegion = RegionBytes >> GuestMemory.PageShift;

    private readonly Userfaultfd pageFaults;
    private readonly ulong address;
    private readonly long pageCount;
    private readonly TraceCosts costs;
    private readonly FirstWriteHandler handler;
    private readonly PagemapScan scan;
    private readonly RegionState[] states;
    private readonly PageSet coarseWritten;
    private readonly PageSet toRefine;
    private readonly PageSet toCoarsen;
    private int runs = 1;
    private long kernelFaults;
    private long densePages;
    private long installs;
    private TimeSpan installTime;
    private bool grips = true;
    private bool exact;
    private bool disposed;

    /// <summary>Registers and arms the memory.</summary>
    /// <param name="firstWrites">
    /// Made inside the VM's process with <see cref="SyncWriteTrace.RequiredFeatures"/> and for kernel-mode faults; taken over, as
    /// <paramref name="pageFaults"/> is, once constructed.
    /// </param>
    /// <param name="pageFaults">Made inside the VM's process with <see cref="AsyncWriteTrace.RequiredFeatures"/>.</param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process.</param>
    /// <param name="sizeBytes">Size of the RAM block in bytes.</param>
    /// <param name="costs">What each way costs; null measures it on this machine, once per process.</param>
    public AdaptiveWriteTrace(
        Userfaultfd firstWrites, Userfaultfd pageFaults, PidFd target, ulong address, long sizeBytes, TraceCosts? costs = null)
    {
        this.pageFaults = pageFaults;
        this.address = address;
        this.costs = costs ?? FaultCalibration.All;
        pageCount = sizeBytes >> GuestMemory.PageShift;
        long start = Stopwatch.GetTimestamp();
        handler = new FirstWriteHandler(firstWrites, target, address, sizeBytes, RegionBytes);
        try
        {
            states = new RegionState[handler.RegionCount];
            coarseWritten = new PageSet(handler.RegionCount);
            toRefine = new PageSet(handler.RegionCount);
            toCoarsen = new PageSet(handler.RegionCount);
            scan = new PagemapScan(target.ProcessId);
            if (RegionTracing.StartsCoarse(PagesPerRegion, this.costs)) handler.Add(0, handler.RegionCount);
            else StartFine((ulong)sizeBytes);
        }
        catch
        {
            scan?.Dispose();
            handler.Dispose();
            throw;
        }

        CountInstall(start);
    }

    /// <inheritdoc/>
    public override WriteTraceMechanism Mechanism => WriteTraceMechanism.AdaptiveWriteProtect;

    /// <inheritdoc/>
    public override int GranularityBytes => GuestMemory.PageSizeBytes;

    /// <inheritdoc/>
    public override bool Overreports => true;

    /// <summary>Regions that the kernel traces page by page at present.</summary>
    public long RefinedRegions => states.LongCount(state => state.Fine);

    /// <summary>
    /// Whether most of what was written last lies in regions whose first write the engine handles, or will once first writes are to be held
    /// back; where it does not, holding those back would slow down the wrong ones.
    /// </summary>
    public override bool CanDelayFaults => grips;

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
        Faults = handler.Faults + kernelFaults,
        GuestStallTime = handler.StallTime + (costs.AsyncFault * kernelFaults),
        MaxFaultDelay = handler.MaxFaultDelay,
    };

    /// <summary>The part of <see cref="WriteTraceStatistics.GuestStallTime"/> in which the writing thread slept.</summary>
    internal TimeSpan EngineStallTime => handler.StallTime;

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where the VM's process has ended, or what handling a fault failed with.
    /// </exception>
    public override void CollectAndRearm(PageSet written)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        long start = Stopwatch.GetTimestamp();
        coarseWritten.Clear();
        toRefine.Clear();
        toCoarsen.Clear();
        long finePages = 0;
        densePages = 0;
        TraceCosts now = MeasuredCosts();
        ForEachFineRun((first, count) => finePages += CollectFine(first, count, written, now));
        handler.CopyMarks(coarseWritten);
        long coarsePages = CollectCoarse(written);
        kernelFaults += finePages;
        grips = coarsePages + densePages >= finePages - densePages;
        Coarsen(written);
        handler.ThrowIfFailed();
        CountInstall(start);
    }

    /// <inheritdoc/>
    public override void PrepareLastCollection(PageSet written)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        // Regions found dense are what the guest is writing most; those never written are few among its last writes.
        exact = true;
        toRefine.Clear();
        for (long region = 0; region < states.Length; region++)
        {
            if (states[region].Fine || states[region].Trust == 0 || !TryCountFlip(region)) continue;
            states[region] = states[region] with { Fine = true };
            toRefine.Add(region);
        }

        for (long from = 0; toRefine.TryFindRun(from, toRefine.PageCount, out long first, out long count); from = first + count)
        {
            written.AddRange(first * PagesPerRegion, PagesIn(first, count));
            Refine(first, count);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        try
        {
            handler.Dispose();
            ForEachFineRun((first, count) =>
            {
                (ulong runAddress, ulong length) = handler.BytesOf(first, count);
                pageFaults.Unregister(runAddress, length);
            });
        }
        finally
        {
            scan.Dispose();
            pageFaults.Dispose();
        }
    }

    /// <summary>What the engine's faults take in this run counts where it is more than what was measured undisturbed.</summary>
    private TraceCosts MeasuredCosts() => handler.TypicalStall > costs.SyncFault ? costs with { SyncFault = handler.TypicalStall } : costs;

    private void StartFine(ulong sizeBytes)
    {
        pageFaults.Register(address, sizeBytes, UserfaultfdModes.WriteProtect);
        try
        {
            scan.ProtectAll(address, address + sizeBytes);
        }
        catch
        {
            pageFaults.Unregister(address, sizeBytes);
            throw;
        }

        Array.Fill(states, new RegionState(Fine: true, Trust: 0, TrustLeft: 0));
    }

    private long CollectFine(long firstRegion, long regionCount, PageSet written, TraceCosts now)
    {
        (ulong start, ulong length) = handler.BytesOf(firstRegion, regionCount);
        ulong position = start;
        long total = 0, inRegion = 0, region = firstRegion;
        while (position < start + length)
        {
            foreach (ref readonly PageRegion found in scan.CollectWritten(ref position, start + length))
            {
                long first = (long)(found.Start - address) >> GuestMemory.PageShift;
                long end = (long)(found.End - address) >> GuestMemory.PageShift;
                written.AddRange(first, end - first);
                total += end - first;
                // A run may reach over several regions.
                while (first < end)
                {
                    long owner = first / PagesPerRegion;
                    if (owner != region)
                    {
                        DecideFine(region, inRegion, now);
                        (region, inRegion) = (owner, 0);
                    }

                    long stop = Math.Min(end, (owner + 1) * PagesPerRegion);
                    inRegion += stop - first;
                    first = stop;
                }
            }
        }

        DecideFine(region, inRegion, now);
        return total;
    }

    private void DecideFine(long region, long writtenPages, TraceCosts now)
    {
        // To hold first writes back is worth the faults that follow them.
        TraceCosts braking = now with { LiftedPage = TimeSpan.Zero };
        if (writtenPages > 0 && RegionTracing.IsDense(writtenPages, PagesIn(region), braking)) densePages += writtenPages;
        RegionState next = RegionTracing.AfterFinePass(
            states[region], writtenPages, PagesIn(region), FaultDelay > TimeSpan.Zero ? braking : now);
        // Where the runs are used up, a region stays as it is.
        if (next.Fine || (!exact && TryCountFlip(region))) states[region] = next;
        if (!states[region].Fine) toCoarsen.Add(region);
    }

    private long CollectCoarse(PageSet written)
    {
        for (long from = 0; coarseWritten.TryFindRun(from, coarseWritten.PageCount, out long first, out long count); from = first + count)
        {
            written.AddRange(first * PagesPerRegion, PagesIn(first, count));
            for (long region = first; region < first + count; region++)
            {
                RegionState next = RegionTracing.AfterCoarseWrite(states[region]);
                if (next.Fine && !TryCountFlip(region)) continue;
                states[region] = next;
                if (next.Fine) toRefine.Add(region);
            }
        }

        long pages = 0;
        for (long from = 0; coarseWritten.TryFindRun(from, coarseWritten.PageCount, out long first, out long count); from = first + count)
        {
            pages += PagesIn(first, count);
            for (long next = first; next < first + count;)
            {
                bool refine = toRefine.Contains(next);
                long end = next + 1;
                while (end < first + count && toRefine.Contains(end) == refine) end++;
                if (refine) Refine(next, end - next);
                else handler.Rearm(next, end - next);
                next = end;
            }
        }

        return pages;
    }

    private void Refine(long first, long count)
    {
        (ulong start, ulong length) = handler.BytesOf(first, count);
        handler.Remove(first, count);
        pageFaults.Register(start, length, UserfaultfdModes.WriteProtect);
        scan.ProtectAll(start, start + length);
    }

    private void Coarsen(PageSet written)
    {
        for (long from = 0; toCoarsen.TryFindRun(from, toCoarsen.PageCount, out long first, out long count); from = first + count)
        {
            // The few pages that were not written are reported too: what is written while the region changes hands goes unnoticed.
            written.AddRange(first * PagesPerRegion, PagesIn(first, count));
            (ulong start, ulong length) = handler.BytesOf(first, count);
            pageFaults.Unregister(start, length);
            handler.Add(first, count);
        }
    }

    /// <summary>Counts the runs of equal regions as they become when this region changes; refuses where they become too many.</summary>
    private bool TryCountFlip(long region)
    {
        bool fine = states[region].Fine;
        int change = 0;
        if (region > 0) change += states[region - 1].Fine == fine ? 1 : -1;
        if (region < states.Length - 1) change += states[region + 1].Fine == fine ? 1 : -1;
        if (change > 0 && runs + change > MaxRuns) return false;
        runs += change;
        return true;
    }

    private void ForEachFineRun(Action<long, long> action)
    {
        for (long first = 0; first < states.Length;)
        {
            long end = first + 1;
            while (end < states.Length && states[end].Fine == states[first].Fine) end++;
            if (states[first].Fine) action(first, end - first);
            first = end;
        }
    }

    private long PagesIn(long firstRegion, long count = 1) =>
        Math.Min(count * PagesPerRegion, pageCount - (firstRegion * PagesPerRegion));

    private void CountInstall(long startTimestamp)
    {
        installs++;
        installTime += Stopwatch.GetElapsedTime(startTimestamp);
    }
}
