using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class FirstWriteHandlerTests
{
    private const int Page = GuestMemory.PageSizeBytes;

    // Never populated: it takes page tables alone, and those long enough.
    private const int PageCount = 1 << 20;

    public FirstWriteHandlerTests()
    {
        if (KernelFeatures.Probe().SyncTraceObstacle is { } obstacle) Assert.Skip(obstacle);
    }

    [Fact]
    public void A_first_write_does_not_wait_until_all_memory_is_armed()
    {
        using var ram = new RamFile(PageCount);
        using var handler = new FirstWriteHandler(
            Userfaultfd.Create(SyncWriteTrace.RequiredFeatures, kernelModeFaults: true), ram.Self, ram.Address, ram.SizeBytes, Page);
        handler.Add(0, PageCount);
        double least = double.MaxValue;

        // A machine that does much else can hold up a single writer, and not each of several.
        for (int attempt = 0; attempt < 5 && least > 0.5; attempt++)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            TimeSpan longest = TimeSpan.Zero;
            Thread writer = StartWriting(ram, elapsed => longest = elapsed > longest ? elapsed : longest, stop.Token);
            long faultsBefore = handler.Faults;
            long start = Stopwatch.GetTimestamp();
            handler.Rearm(0, PageCount);
            TimeSpan arming = Stopwatch.GetElapsedTime(start);
            stop.Cancel();
            writer.Join();
            Assert.InRange(handler.Faults - faultsBefore, 1, long.MaxValue);
            least = Math.Min(least, longest / arming);
        }

        Assert.InRange(least, 0, 0.5);
    }

    [Fact]
    public void Writes_to_memory_that_is_armed_in_several_parts_are_reported_exactly()
    {
        long[] pages = [0, 16_383, 16_384, 16_385, 500_000, PageCount - 1];
        using var ram = new RamFile(PageCount);
        using var memory = new TracedMapping(ram);
        using WriteTrace trace = memory.Arm(Page);
        for (int round = 0; round < 2; round++)
        {
            foreach (long page in pages) memory.StoreOnThread(page * Page).Join();
            Assert.Equal(pages, WriteTraceConformanceTests.Collect(trace, PageCount).Order());
        }
    }

    /// <summary>Stores to one armed page after the other, by system calls, as <see cref="TracedMapping"/> says why.</summary>
    private static Thread StartWriting(RamFile ram, Action<TimeSpan> stored, CancellationToken stop)
    {
        using var started = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            using SafeFileHandle source = OpenFile.ForReading("/dev/zero");
            for (long page = 0; page < PageCount && !stop.IsCancellationRequested; page++)
            {
                long start = Stopwatch.GetTimestamp();
                if (PositionalIo.Read(source, 0, ram.Guest.Slice(page * Page, 1)) != 1)
                {
                    throw new InvalidOperationException("Nothing was stored.");
                }
                stored(Stopwatch.GetElapsedTime(start));
                if (!started.IsSet) started.Set();
            }
        });
        thread.Start();
        started.Wait(stop);
        return thread;
    }
}
