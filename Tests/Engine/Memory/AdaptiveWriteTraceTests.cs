using System.Runtime.InteropServices;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class AdaptiveWriteTraceTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const int RegionPages = AdaptiveWriteTrace.RegionBytes / Page;
    private const int Regions = 8;
    private const int PageCount = (Regions * RegionPages) - 100;

    private static readonly TraceCosts costs = new(
        TimeSpan.FromMicroseconds(30), TimeSpan.FromMicroseconds(1), TimeSpan.FromMicroseconds(4));

    private static readonly TraceCosts faultsAfterLifting = costs with { LiftedPage = costs.AsyncFault };

    public AdaptiveWriteTraceTests()
    {
        if (KernelFeatures.Probe() is { SyncTraceObstacle: { } byEngine }) Assert.Skip(byEngine);
        if (KernelFeatures.Probe() is { AsyncTraceObstacle: { } byKernel }) Assert.Skip(byKernel);
    }

    [Fact]
    public void Written_region_is_reported_whole_once_and_page_by_page_from_then_on()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using AdaptiveWriteTrace trace = Arm(process.PidFd, address);
        ProcessCalls.WriteAt(process, address + (3 * RegionPages * Page) + (7 * Page));
        Assert.Equal(RegionPages, WriteTraceConformanceTests.Collect(trace, PageCount).Count);
        Assert.Equal(1, trace.RefinedRegions);
        ProcessCalls.WriteAt(process, address + (3 * RegionPages * Page) + (9 * Page));
        Assert.Equal([(3 * RegionPages) + 9], WriteTraceConformanceTests.Collect(trace, PageCount));
        Assert.Equal(2, trace.Statistics.Faults);
    }

    [Fact]
    public void Process_that_rewrites_everything_ends_up_with_one_fault_a_region()
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: false);
        using AdaptiveWriteTrace trace = Arm(writer.PidFd, writer.Address);
        long perPass = 0;

        // Coarse, refined and found dense, coarse again: the third pass is the first that costs little, if each writes everything.
        for (int pass = 0; pass < 4; pass++)
        {
            long before = trace.Statistics.Faults;
            WriteEverything(ram);
            Assert.Equal(PageCount, WriteTraceConformanceTests.Collect(trace, PageCount).Count);
            perPass = trace.Statistics.Faults - before;
        }

        Assert.Equal(0, trace.RefinedRegions);
        Assert.InRange(perPass, 1, Regions * 2);
        Assert.True(trace.CanDelayFaults);
    }

    [Fact]
    public void Process_that_writes_few_pages_a_region_is_traced_page_by_page()
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: true, strideBytes: 64 * Page);
        using AdaptiveWriteTrace trace = Arm(writer.PidFd, writer.Address);
        long reported = 0;
        for (int pass = 0; pass < 5; pass++)
        {
            WriteEverything(ram, strideBytes: 64 * Page);
            reported = WriteTraceConformanceTests.Collect(trace, PageCount).Count;
        }

        Assert.Equal(Regions, trace.RefinedRegions);
        Assert.InRange(reported, 1, Regions * RegionPages / 64);
        Assert.False(trace.CanDelayFaults);
    }

    [Fact]
    public void Last_collection_reports_dense_regions_page_by_page_too()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);

        // Costs at which one written page makes a region dense.
        using AdaptiveWriteTrace trace = Arm(
            process.PidFd, address, new(TimeSpan.Zero, TimeSpan.FromMinutes(1), TimeSpan.Zero));
        for (int pass = 0; pass < 3; pass++)
        {
            ProcessCalls.WriteAt(process, address);
            Assert.Equal(RegionPages, WriteTraceConformanceTests.Collect(trace, PageCount).Count);
        }

        Assert.Equal(0, trace.RefinedRegions);
        var remaining = new PageSet(PageCount);
        trace.PrepareLastCollection(remaining);
        Assert.Equal(RegionPages, remaining.Count);
        ProcessCalls.WriteAt(process, address + (5 * Page));
        Assert.Equal([5L], WriteTraceConformanceTests.Collect(trace, PageCount));
    }

    [Fact]
    public void Where_pages_fault_once_more_after_lifting_the_first_collection_is_exact_already()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using AdaptiveWriteTrace trace = Arm(process.PidFd, address, faultsAfterLifting);
        Assert.Equal(Regions, trace.RefinedRegions);
        ProcessCalls.WriteAt(process, address + (3 * RegionPages * Page) + (7 * Page));
        Assert.Equal([(3 * RegionPages) + 7], WriteTraceConformanceTests.Collect(trace, PageCount));
        Assert.False(trace.CanDelayFaults);
    }

    [Fact]
    public void Dense_regions_are_the_engines_only_while_first_writes_are_to_be_held_back()
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: false);
        using AdaptiveWriteTrace trace = Arm(writer.PidFd, writer.Address, faultsAfterLifting);
        WriteEverything(ram);
        WriteTraceConformanceTests.Collect(trace, PageCount);
        Assert.Equal(Regions, trace.RefinedRegions);
        Assert.True(trace.CanDelayFaults);

        trace.FaultDelay = TimeSpan.FromMilliseconds(1);
        WriteEverything(ram);
        Assert.Equal(PageCount, WriteTraceConformanceTests.Collect(trace, PageCount).Count);
        Assert.Equal(0, trace.RefinedRegions);

        // Once all is written every region is lifted, and takes no fault until it is armed again.
        WriteEverything(ram);
        long before = trace.Statistics.Faults;
        WriteTraceConformanceTests.Collect(trace, PageCount);
        WriteEverything(ram);
        Assert.InRange(trace.Statistics.Faults - before, Regions, Regions * 2);
        Assert.Equal(PageCount, WriteTraceConformanceTests.Collect(trace, PageCount).Count);
        Assert.Equal(TimeSpan.FromMilliseconds(1), trace.Statistics.MaxFaultDelay);
    }

    [Fact]
    public void Dense_and_sparse_regions_side_by_side_lose_no_write_while_they_change_hands()
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: true);

        // Costs at the edge, so that regions go to and fro by chance.
        using AdaptiveWriteTrace trace = Arm(
            writer.PidFd, writer.Address, costs with { SyncFault = TimeSpan.Zero, NeedlessPage = TimeSpan.FromTicks(5) });
        var copy = new byte[ram.SizeBytes];
        ram.Engine.TryRead(0, copy);
        var written = new PageSet(PageCount);
        var seen = new HashSet<long>();
        for (int round = 0; round < 300; round++)
        {
            if (round % 3 == 0) Thread.SpinWait(round * 1000);
            Take();
            seen.Add(trace.RefinedRegions);
            if (round % 10 != 0) continue;

            // Looked at often: a page whose write was lost is soon written again, and reported then.
            writer.Stop();
            Take();
            Assert.True(
                ram.Guest.Slice(0, copy.Length).SequenceEqual(copy),
                $"A page differs after round {round} that the trace did not report.");
            writer.Continue();
        }

        Assert.InRange(seen.Count, 2, Regions + 1);

        void Take()
        {
            written.Clear();
            trace.CollectAndRearm(written);
            for (long from = 0; written.TryFindRun(from, PageCount, out long first, out long count); from = first + count)
            {
                ram.Engine.TryRead(first * Page, copy.AsSpan((int)(first * Page), (int)(count * Page)));
            }
        }
    }

    private static AdaptiveWriteTrace Arm(PidFd target, ulong address, TraceCosts? given = null) =>
        (AdaptiveWriteTrace)WriteTraceConformanceTests.Arm(0, target, address, PageCount * Page, given ?? costs);

    /// <summary>
    /// Waits until the writer has stored to each of its places since this call: its counter is in the page, and only grows.
    /// </summary>
    private static void WriteEverything(RamFile ram, long strideBytes = Page)
    {
        long start = Highest(ram, 0, PageCount * (long)Page, strideBytes);
        Eventually.Holds(() =>
        {
            for (long place = 0; place < PageCount * (long)Page / strideBytes; place++)
            {
                if (Highest(ram, place * strideBytes, Page, strideBytes) <= start) return false;
            }

            return true;
        });
    }

    private static long Highest(RamFile ram, long offset, long lengthBytes, long strideBytes)
    {
        long highest = 0;
        Span<long> counters = stackalloc long[Page / sizeof(long)];
        for (long place = offset; place < offset + lengthBytes; place += strideBytes)
        {
            ram.Engine.TryRead(place, MemoryMarshal.AsBytes(counters));
            foreach (long counter in counters) highest = Math.Max(highest, counter);
        }

        return highest;
    }
}
