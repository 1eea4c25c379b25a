using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class AsyncWriteTraceTests
{
    private const int Page = GuestMemory.PageSizeBytes;

    public AsyncWriteTraceTests()
    {
        if (KernelFeatures.Probe().AsyncTraceObstacle is { } obstacle) Assert.Skip(obstacle);
    }

    [Fact]
    public void Only_writes_after_arming_are_reported_and_each_once()
    {
        using var ram = new RamFile(1024);
        ram.Guest.Slice(0, 512 * Page).Fill(1);
        using AsyncWriteTrace trace = ram.Trace();
        Assert.Equal([], Collect(trace, 1024));
        ram.Guest.Slice(7 * Page + 100, 1)[0] = 2;
        ram.Guest.Slice(9 * Page - 1, 2).Fill(2);
        Assert.Equal([7, 8, 9], Collect(trace, 1024));
        Assert.Equal([], Collect(trace, 1024));
        ram.Guest.Slice(8 * Page, 1)[0] = 3;
        Assert.Equal([8], Collect(trace, 1024));
    }

    [Fact]
    public void First_write_to_a_page_never_populated_is_reported_and_a_read_is_not()
    {
        using var ram = new RamFile(4096);
        using AsyncWriteTrace trace = ram.Trace();
        Assert.Equal(0, ram.Guest.Slice(1000 * Page, 1)[0]);
        ram.Guest.Slice(3000 * Page, 1)[0] = 1;
        Assert.Equal([3000], Collect(trace, 4096));
        ram.Guest.Slice(1000 * Page, 1)[0] = 1;
        Assert.Equal([1000], Collect(trace, 4096));
    }

    [Fact]
    public void Writes_by_the_engine_through_the_file_are_not_reported()
    {
        using var ram = new RamFile(64);
        ram.Guest.Slice(0, 64 * Page).Fill(1);
        using AsyncWriteTrace trace = ram.Trace();
        ram.Engine.Write(5 * Page, new byte[Page]);
        Assert.Equal([], Collect(trace, 64));
    }

    [Fact]
    public void More_runs_of_written_pages_than_one_step_returns_are_all_reported()
    {
        const int pages = 20_000;
        using var ram = new RamFile(pages);
        using AsyncWriteTrace trace = ram.Trace();
        for (long page = 0; page < pages; page += 2) ram.Guest.Slice(page * Page, 1)[0] = 1;
        Assert.Equal(Enumerable.Range(0, pages / 2).Select(index => 2L * index), Collect(trace, pages));
        Assert.Equal([], Collect(trace, pages));
    }

    [Fact]
    public async Task No_write_is_lost_while_threads_write_and_the_trace_collects()
    {
        const int pages = 8192;
        const int writers = 3;
        using var ram = new RamFile(pages);
        ram.Guest.Slice(0, pages / 2 * Page).Fill(0xee);
        using AsyncWriteTrace trace = ram.Trace();
        // The naive oracle: a copy that takes over only what was reported must end equal to the memory.
        var copy = new byte[pages * Page];
        Assert.Equal(copy.Length, ram.Engine.TryRead(0, copy));

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Task<long>[] threads = [.. Enumerable.Range(0, writers).Select(seed => Task.Factory.StartNew(
            () => WriteAtRandom(ram, pages, seed, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        var written = new PageSet(pages);
        long reported = 0;
        for (int round = 0; round < 400; round++) reported += CopyWritten(ram, trace, written, copy);
        await stop.CancelAsync();
        long[] counts = await Task.WhenAll(threads);
        reported += CopyWritten(ram, trace, written, copy);

        Assert.All(counts, count => Assert.InRange(count, 1, long.MaxValue));
        Assert.InRange(reported, 1, long.MaxValue);
        Assert.True(ram.Guest.Slice(0, copy.Length).SequenceEqual(copy), "A page differs that the trace did not report.");
        Assert.Equal(402, trace.Statistics.Installs);
    }

    [Fact]
    public void Writes_of_another_process_are_reported_with_its_page_numbers()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, 256 * Page);
        using var trace = new AsyncWriteTrace(
            Userfaultfd.CreateInside(process.PidFd, AsyncWriteTrace.RequiredFeatures), process.PidFd, address, 256 * Page);
        Assert.Equal([], Collect(trace, 256));
        ProcessCalls.WriteAt(process, address + 17 * Page);
        Assert.Equal([17], Collect(trace, 256));
        ProcessCalls.WriteAt(process, address + 17 * Page);
        ProcessCalls.WriteAt(process, address + 200 * Page);
        Assert.Equal([17, 200], Collect(trace, 256));
    }

    /// <summary>The kernel would not come back from a scan of such memory that has no page tables.</summary>
    [Fact]
    public void Memory_of_a_hugetlbfs_of_which_whole_GiBs_were_never_touched_is_armed_and_collected()
    {
        const int callMmap = 9;
        const ulong readAndWrite = 3;
        const ulong sharedAnonymousHugetlb2MiBWithoutReserve = 0x1 | 0x20 | 0x4000 | 0x40000 | (21UL << 26);
        const long sizeBytes = 3L << 30;
        if (!new LargePageSettings().HasPool) Assert.Skip("The kernel keeps no pages of 2 MiB (CONFIG_HUGETLBFS).");
        using ForeignProcess process = ForeignProcess.Sleeping();
        long address = Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(
            callMmap, 0, (ulong)sizeBytes, readAndWrite, sharedAnonymousHugetlb2MiBWithoutReserve, ulong.MaxValue, 0));
        Assert.InRange(address, 1, long.MaxValue);
        using var trace = new AsyncWriteTrace(
            Userfaultfd.CreateInside(process.PidFd, AsyncWriteTrace.RequiredFeatures), process.PidFd, (ulong)address, sizeBytes,
            (int)LargePageSettings.PageSizeBytes, onHugetlbfs: true);
        Assert.Equal([], Collect(trace, sizeBytes / Page));
        Assert.Equal([], Collect(trace, sizeBytes / Page));
    }

    [Fact]
    public void Collecting_from_a_process_that_has_ended_fails_instead_of_reporting_nothing()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, 16 * Page);
        using var trace = new AsyncWriteTrace(
            Userfaultfd.CreateInside(process.PidFd, AsyncWriteTrace.RequiredFeatures), process.PidFd, address, 16 * Page);
        process.PidFd.SendSignal(PidFd.SignalKill);
        Eventually.Holds(() => process.PidFd.HasExited);
        var exception = Assert.ThrowsAny<MigrationException>(() => Collect(trace, 16));
        Assert.True(exception.Reason == MigrationErrorReason.VmExited, exception.Message);
    }

    [Fact]
    public void Disposal_frees_the_memory_for_the_next_trace()
    {
        using var ram = new RamFile(64);
        for (int round = 0; round < 3; round++)
        {
            using AsyncWriteTrace trace = ram.Trace();
            Assert.Equal([], Collect(trace, 64));
            ram.Guest.Slice(round * Page, 1)[0] = 1;
            Assert.Equal([round], Collect(trace, 64));
        }
    }

    [Fact]
    public void Second_trace_at_once_is_refused_as_InvalidState()
    {
        using var ram = new RamFile(64);
        using AsyncWriteTrace first = ram.Trace();
        Assert.Equal(MigrationErrorReason.InvalidState, Assert.ThrowsAny<MigrationException>(() => ram.Trace()).Reason);
    }

    [Fact]
    public void Collecting_allocates_nothing()
    {
        using var ram = new RamFile(4096);
        using AsyncWriteTrace trace = ram.Trace();
        var written = new PageSet(4096);
        trace.CollectAndRearm(written);
        for (long page = 0; page < 4096; page += 3) ram.Guest.Slice(page * Page, 1)[0] = 1;
        long before = GC.GetAllocatedBytesForCurrentThread();
        trace.CollectAndRearm(written);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1366, written.Count);
    }

    private static long WriteAtRandom(RamFile ram, int pages, int seed, CancellationToken stop)
    {
        var random = new Random(seed);
        long count = 0;
        while (!stop.IsCancellationRequested)
        {
            Span<byte> page = ram.Guest.Slice(random.NextInt64(pages) * Page, Page);
            page[random.Next(Page)]++;
            count++;
        }

        return count;
    }

    private static long CopyWritten(RamFile ram, AsyncWriteTrace trace, PageSet written, byte[] copy)
    {
        written.Clear();
        trace.CollectAndRearm(written);
        for (long from = 0; written.TryFindRun(from, written.PageCount, out long first, out long count); from = first + count)
        {
            Span<byte> destination = copy.AsSpan((int)(first * Page), (int)(count * Page));
            Assert.Equal(destination.Length, ram.Engine.TryRead(first * Page, destination));
        }

        return written.Count;
    }

    private static long[] Collect(AsyncWriteTrace trace, long pageCount)
    {
        var written = new PageSet(pageCount);
        trace.CollectAndRearm(written);
        List<long> pages = [];
        for (long from = 0; written.TryFindRun(from, pageCount, out long first, out long count); from = first + count)
        {
            for (long page = first; page < first + count; page++) pages.Add(page);
        }

        return [.. pages];
    }
}
