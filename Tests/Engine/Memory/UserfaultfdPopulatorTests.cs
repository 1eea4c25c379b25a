using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class UserfaultfdPopulatorTests
{
    private const int Page = GuestMemory.PageSizeBytes;

    public UserfaultfdPopulatorTests()
    {
        if (KernelFeatures.Probe().PopulationObstacle is { } obstacle) Assert.Skip(obstacle);
    }

    [Fact]
    public void Pages_with_data_are_mapped_and_holes_are_not()
    {
        using var ram = new RamFile(4096);
        ram.Engine.Write(10 * Page, Filled(5 * Page));
        ram.Engine.Write(2000 * Page, Filled(Page));
        ram.Engine.Write(4095 * Page, Filled(Page));
        using UserfaultfdPopulator populator = ram.Populator();
        populator.Populate(0, ram.SizeBytes);
        PageSet mapped = ram.Mapped();
        Assert.Equal(7, mapped.Count);
        Assert.Equal(7, populator.Statistics.Pages);
        Assert.All([10L, 14, 2000, 4095], page => Assert.True(mapped.Contains(page)));
        Assert.True(ram.Guest.Slice(10 * Page, 5 * Page).IndexOfAnyExcept((byte)0x5a) < 0);
    }

    [Fact]
    public void Only_the_range_asked_for_is_mapped()
    {
        using var ram = new RamFile(256);
        ram.Engine.Write(0, Filled(256 * Page));
        using UserfaultfdPopulator populator = ram.Populator();
        populator.Populate(100 * Page, 20 * Page);
        PageSet mapped = ram.Mapped();
        Assert.Equal(20, mapped.Count);
        Assert.True(mapped.Contains(100) && mapped.Contains(119));
    }

    [Fact]
    public void Pages_mapped_already_are_skipped_and_not_counted()
    {
        const int pages = 4096;
        using var ram = new RamFile(pages);
        ram.Engine.Write(0, Filled(pages * Page));
        // Touched one by one and as a long run, and both again behind the end of a read of 512 entries.
        for (int page = 0; page < pages; page += 64) ram.Guest.Slice(page * Page, 1)[0] = 0x5a;
        for (int page = 1000; page < 2000; page++) ram.Guest.Slice(page * Page, 1)[0] = 0x5a;
        long before = ram.Mapped().Count;
        using UserfaultfdPopulator populator = ram.Populator();
        populator.Populate(0, ram.SizeBytes);
        Assert.Equal(pages, ram.Mapped().Count);
        Assert.Equal(pages - before, populator.Statistics.Pages);
        populator.Populate(0, ram.SizeBytes);
        Assert.Equal(pages - before, populator.Statistics.Pages);
    }

    [Fact]
    public async Task Threads_that_write_and_populate_at_once_leave_every_page_mapped_and_right()
    {
        const int pages = 16 * 1024;
        const int chunkPages = 64;
        using var ram = new RamFile(pages);
        using UserfaultfdPopulator populator = ram.Populator();
        int next = -1;
        Task[] receivers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int chunk = Interlocked.Increment(ref next); chunk < pages / chunkPages; chunk = Interlocked.Increment(ref next))
            {
                long offset = (long)chunk * chunkPages * Page;
                ram.Engine.ReceiveWindow(offset, chunkPages * Page).Fill((byte)(chunk + 1));
                populator.Populate(offset, chunkPages * Page);
                // A later pass writes a page that is mapped by now.
                ram.Engine.Write(offset, Filled(Page));
                populator.Populate(offset, Page);
            }
        }, TestContext.Current.CancellationToken))];
        await Task.WhenAll(receivers);

        Assert.Equal(pages, ram.Mapped().Count);
        Assert.Equal(pages, populator.Statistics.Pages);
        for (int chunk = 0; chunk < pages / chunkPages; chunk++)
        {
            Span<byte> guest = ram.Guest.Slice((long)chunk * chunkPages * Page, chunkPages * Page);
            Assert.True(guest[..Page].IndexOfAnyExcept((byte)0x5a) < 0);
            Assert.True(guest[Page..].IndexOfAnyExcept((byte)(chunk + 1)) < 0);
        }
    }

    [Fact]
    public async Task Process_that_touches_its_memory_itself_does_not_wait_for_the_engine()
    {
        using var ram = new RamFile(16);
        ram.Engine.Write(0, Filled(Page));
        using UserfaultfdPopulator populator = ram.Populator();
        Task<int> touch = Task.Run(
            () => ram.Guest.Slice(0, 1)[0] + ram.Guest.Slice(5 * Page, 1)[0], TestContext.Current.CancellationToken);
        Assert.Equal(0x5a, await touch.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Range_outside_the_memory_is_refused()
    {
        using var ram = new RamFile(16);
        using UserfaultfdPopulator populator = ram.Populator();
        var exception = Assert.Throws<MigrationException>(() => populator.Populate(8 * Page, 9 * Page));
        Assert.Equal(MigrationErrorReason.InvalidArgument, exception.Reason);
    }

    [Fact]
    public void Mapped_pages_are_written_without_a_fault_each()
    {
        const int pages = 8192;
        using var ram = new RamFile(pages);
        ram.Engine.Write(0, Filled(pages * Page));
        using (UserfaultfdPopulator populator = ram.Populator()) populator.Populate(0, ram.SizeBytes);
        long before = ProcessStatistics.ReadPageFaults(Environment.ProcessId);
        for (int page = 0; page < pages; page++) ram.Guest.Slice(page * Page, 1)[0] = 1;
        Assert.InRange(ProcessStatistics.ReadPageFaults(Environment.ProcessId) - before, 0, pages / 4);
    }

    [Fact]
    public void Disposal_frees_the_memory_for_a_write_trace()
    {
        using var ram = new RamFile(16);
        ram.Engine.Write(0, Filled(Page));
        using (UserfaultfdPopulator populator = ram.Populator()) populator.Populate(0, ram.SizeBytes);
        using AsyncWriteTrace trace = ram.Trace();
        ram.Guest.Slice(0, 1)[0] = 1;
        var written = new PageSet(16);
        trace.CollectAndRearm(written);
        Assert.Equal(1, written.Count);
    }

    [Fact]
    public void Populating_allocates_nothing()
    {
        // Once for what the runtime sets up at the first call of each path, once to measure.
        MeasureAllocation();
        Assert.Equal(0, MeasureAllocation());
    }

    private static long MeasureAllocation()
    {
        const int pages = 2048;
        using var ram = new RamFile(pages);
        for (int page = 0; page < pages; page += 5) ram.Engine.Write(page * Page, Filled(2 * Page));
        for (int page = 0; page < pages; page += 15) ram.Guest.Slice(page * Page, 1)[0] = 1;
        using UserfaultfdPopulator populator = ram.Populator();
        long before = GC.GetAllocatedBytesForCurrentThread();
        populator.Populate(0, ram.SizeBytes);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static byte[] Filled(int lengthBytes)
    {
        var content = new byte[lengthBytes];
        content.AsSpan().Fill(0x5a);
        return content;
    }
}
