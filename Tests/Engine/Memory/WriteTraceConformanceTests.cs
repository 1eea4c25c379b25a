using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>What every write trace over a process's memory promises, in whatever unit it reports.</summary>
public class WriteTraceConformanceTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const int KiB = 1024;

    // No multiple of 2 MiB, nor of 64 KiB.
    private const int PageCount = 8195;

    public WriteTraceConformanceTests()
    {
        if (KernelFeatures.Probe() is { AsyncTraceObstacle: { } byKernel }) Assert.Skip(byKernel);
        if (KernelFeatures.Probe() is { SyncTraceObstacle: { } byEngine }) Assert.Skip(byEngine);
    }

    /// <summary>A unit in bytes for the synchronous trace; 0 the adaptive one, -1 the asynchronous one.</summary>
    public static TheoryData<int> Kinds => [-1, 0, 4 * KiB, 64 * KiB, 2048 * KiB, 1024 * 1024 * KiB];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Write_after_arming_is_reported_and_after_collecting_only_once_more_if_it_is_written_again(int kind)
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using WriteTrace trace = Arm(kind, process.PidFd, address, PageCount * Page);
        Assert.Empty(Collect(trace));
        foreach (int page in (int[])[17, 17, 4000, PageCount - 1])
        {
            ProcessCalls.WriteAt(process, address + ((ulong)page * Page));
            HashSet<long> reported = Collect(trace);
            Assert.Contains(page, reported);
            long unit = Math.Max(kind == 0 ? AdaptiveWriteTrace.RegionBytes : kind, Page) / Page;
            Assert.All(reported, found => Assert.Equal(page / unit, found / unit));
            Assert.Empty(Collect(trace));
        }

        Assert.InRange(trace.Statistics.Faults, 4, long.MaxValue);
        Assert.InRange(trace.Statistics.GuestStallTime, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(5));
        Assert.Equal(10, trace.Statistics.Installs);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void No_write_is_lost_while_a_process_writes_and_the_trace_collects(int kind)
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: true);
        using WriteTrace trace = Arm(kind, writer.PidFd, writer.Address, ram.SizeBytes);

        // The naive oracle: a copy that takes over only what was reported must end equal to the memory.
        var copy = new byte[ram.SizeBytes];
        Assert.Equal(copy.Length, ram.Engine.TryRead(0, copy));
        var written = new PageSet(PageCount);
        long reported = 0;
        int collections = 0;

        // On a busy machine the writer may not run for many rounds.
        long deadline = Environment.TickCount64 + 60_000;
        while ((reported < 500 || collections < 150) && Environment.TickCount64 < deadline)
        {
            reported += CopyWritten(ram, trace, written, copy);
            collections++;
        }

        writer.Stop();
        reported += CopyWritten(ram, trace, written, copy);

        Assert.InRange(reported, 500, long.MaxValue);
        Assert.True(ram.Guest.Slice(0, copy.Length).SequenceEqual(copy), "A page differs that the trace did not report.");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Process_writes_on_after_the_trace_is_lifted_and_another_can_be_armed(int kind)
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: false);
        for (int round = 0; round < 3; round++)
        {
            using (WriteTrace trace = Arm(kind, writer.PidFd, writer.Address, ram.SizeBytes)) Collect(trace);
            var before = new byte[ram.SizeBytes];
            ram.Engine.TryRead(0, before);
            Eventually.Holds(() => !ram.Guest.Slice(0, before.Length).SequenceEqual(before));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Collecting_from_a_process_that_has_ended_fails_and_disposal_does_not(int kind)
    {
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: false);
        WriteTrace trace = Arm(kind, writer.PidFd, writer.Address, ram.SizeBytes);
        writer.PidFd.SendSignal(PidFd.SignalKill);
        Eventually.Holds(() => writer.PidFd.HasExited);
        var exception = Assert.ThrowsAny<MigrationException>(() => Collect(trace));
        Assert.True(exception.Reason == MigrationErrorReason.VmExited, exception.Message);
        trace.Dispose();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Second_trace_at_once_is_refused_and_leaves_the_first_one_working(int kind)
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, PageCount * Page);
        using WriteTrace first = Arm(kind, process.PidFd, address, PageCount * Page);
        var refused = Assert.ThrowsAny<MigrationException>(() => Arm(kind, process.PidFd, address, PageCount * Page));
        Assert.Equal(MigrationErrorReason.InvalidState, refused.Reason);
        ProcessCalls.WriteAt(process, address + (100 * Page));
        Assert.Contains(100, Collect(first));
    }

    internal static WriteTrace Arm(int kind, PidFd target, ulong address, long sizeBytes, TraceCosts? costs = null)
    {
        if (kind < 0)
        {
            return new AsyncWriteTrace(
                Userfaultfd.CreateInside(target, AsyncWriteTrace.RequiredFeatures), target, address, sizeBytes);
        }
        Userfaultfd firstWrites = Userfaultfd.CreateInside(target, SyncWriteTrace.RequiredFeatures, kernelModeFaults: true);
        if (kind > 0) return new SyncWriteTrace(firstWrites, target, address, sizeBytes, kind);
        return new AdaptiveWriteTrace(
            firstWrites, Userfaultfd.CreateInside(target, AsyncWriteTrace.RequiredFeatures), target, address, sizeBytes, costs);
    }

    internal static HashSet<long> Collect(WriteTrace trace, int pageCount = PageCount)
    {
        var written = new PageSet(pageCount);
        trace.CollectAndRearm(written);
        return [.. Enumerable.Range(0, pageCount).Select(page => (long)page).Where(written.Contains)];
    }

    private static long CopyWritten(RamFile ram, WriteTrace trace, PageSet written, byte[] copy)
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
}
