using System.Diagnostics;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class SyncWriteTraceTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const int PageCount = 1000;
    private const int Unit = 64 << 10;
    private const int PagesPerUnit = Unit / Page;

    private static readonly TimeSpan delay = TimeSpan.FromMilliseconds(15);

    public SyncWriteTraceTests()
    {
        if (KernelFeatures.Probe().SyncTraceObstacle is { } obstacle) Assert.Skip(obstacle);
    }

    [Fact]
    public void First_write_lifts_its_region_and_later_ones_there_cost_no_fault()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using WriteTrace trace = Arm(process.PidFd, address);
        for (int page = 0; page < 32; page++) ProcessCalls.WriteAt(process, address + (ulong)(page * Page));
        Assert.Equal(2, trace.Statistics.Faults);
        Assert.Equal(Enumerable.Range(0, 32).Select(page => (long)page), Collect(trace).Order());
        ProcessCalls.WriteAt(process, address + (5 * Page));
        Assert.Equal(3, trace.Statistics.Faults);
    }

    [Fact]
    public void Last_region_is_cut_where_the_memory_ends()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using WriteTrace trace = Arm(process.PidFd, address);
        ProcessCalls.WriteAt(process, address + ((PageCount - 1) * Page));
        long firstOfLast = PageCount / PagesPerUnit * PagesPerUnit;
        Assert.Equal(Enumerable.Range((int)firstOfLast, (int)(PageCount - firstOfLast)).Select(page => (long)page), Collect(trace).Order());
    }

    [Fact]
    public void Held_back_writer_waits_as_long_as_asked_and_the_figures_say_so()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using WriteTrace trace = Arm(process.PidFd, address);
        ProcessCalls.WriteAt(process, address);
        trace.FaultDelay = delay;
        long start = Stopwatch.GetTimestamp();
        ProcessCalls.WriteAt(process, address + Unit);
        Assert.InRange(Stopwatch.GetElapsedTime(start), delay, TimeSpan.FromSeconds(5));
        ProcessCalls.WriteAt(process, address + Unit + Page);
        Assert.Equal(2, trace.Statistics.Faults);
        Assert.Equal(delay, trace.Statistics.MaxFaultDelay);
        Assert.InRange(trace.Statistics.GuestStallTime, delay, TimeSpan.FromSeconds(5));
        trace.FaultDelay = TimeSpan.Zero;
        Assert.Equal(delay, trace.Statistics.MaxFaultDelay);
    }

    [Fact]
    public void Several_writers_are_held_back_side_by_side_and_not_one_after_another()
    {
        // One after another each would wait 0.6 s on the average, which no busy machine makes of the 20 ms side by side.
        const int writers = PageCount / PagesPerUnit;
        using var ram = new RamFile(PageCount);
        using var memory = new TracedMapping(ram);
        using WriteTrace trace = memory.Arm(Unit);
        trace.FaultDelay = WriteTrace.MaxFaultDelay;
        Thread[] threads = [.. Enumerable.Range(0, writers).Select(writer => memory.StoreOnThread(writer * Unit))];
        foreach (Thread thread in threads) thread.Join();
        Assert.InRange(trace.Statistics.GuestStallTime / writers, WriteTrace.MaxFaultDelay, WriteTrace.MaxFaultDelay * (writers / 4));
        Assert.Equal(writers, trace.Statistics.Faults);
    }

    [Fact]
    public void Disposal_lets_a_held_back_writer_go_at_once()
    {
        using var ram = new RamFile(PageCount);
        using var memory = new TracedMapping(ram);
        for (int round = 0; round < 20; round++)
        {
            Thread writer;
            using (WriteTrace trace = memory.Arm(Unit))
            {
                trace.FaultDelay = WriteTrace.MaxFaultDelay;
                writer = memory.StoreOnThread(round * Page);
            }

            Assert.True(writer.Join(TimeSpan.FromSeconds(5)), "The writer still waits.");
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(21)]
    public void Delay_outside_its_bounds_is_refused(int milliseconds)
    {
        using var ram = new RamFile(16);
        using var memory = new TracedMapping(ram);
        using WriteTrace trace = memory.Arm(Unit);
        var refused = Assert.Throws<MigrationException>(() => trace.FaultDelay = TimeSpan.FromMilliseconds(milliseconds));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(96 << 10)]
    public void Granularity_that_is_none_is_refused(int granularityBytes)
    {
        using var ram = new RamFile(16);
        using var memory = new TracedMapping(ram);
        Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(() => memory.Arm(granularityBytes)).Reason);
    }

    private static WriteTrace Arm(PidFd target, ulong address) => WriteTraceConformanceTests.Arm(Unit, target, address, PageCount * Page);

    private static HashSet<long> Collect(WriteTrace trace) => WriteTraceConformanceTests.Collect(trace, PageCount);
}
