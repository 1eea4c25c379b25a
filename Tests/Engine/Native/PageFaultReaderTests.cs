using System.Diagnostics;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class PageFaultReaderTests
{
    private const int Page = GuestMemory.PageSizeBytes;
    private const UserfaultfdFeatures Features =
        UserfaultfdFeatures.WriteProtectShmem | UserfaultfdFeatures.WriteProtectUnpopulated | UserfaultfdFeatures.MinorShmem;

    private static readonly TimeSpan limit = TimeSpan.FromSeconds(10);

    public PageFaultReaderTests()
    {
        if (KernelFeatures.Probe().SyncTraceObstacle is { } obstacle) Assert.Skip(obstacle);
    }

    [Fact]
    public void Write_to_a_protected_page_is_read_with_its_address_and_kind_and_waits_until_it_is_lifted()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, 16 * Page);
        using Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.PidFd, Features, kernelModeFaults: true);
        userfaultfd.Register(address, 16 * Page, UserfaultfdModes.WriteProtect);
        Assert.Equal(UserfaultfdOutcome.Done, userfaultfd.WriteProtect(address, 16 * Page, protect: true));
        using var reader = new PageFaultReader(userfaultfd, process.PidFd);
        Assert.True(reader.Wait(TimeSpan.Zero, out ReadOnlySpan<PageFault> found));
        Assert.True(found.IsEmpty);

        var writer = new Thread(() => ProcessCalls.WriteAt(process, address + (5 * Page)));
        writer.Start();
        PageFault fault = ReadOne(reader);
        Assert.Equal(address + (5 * Page), fault.Address);
        Assert.Equal(PageFaultKinds.Write | PageFaultKinds.WriteProtected, fault.Kinds);
        Assert.False(writer.Join(TimeSpan.FromMilliseconds(50)));
        userfaultfd.WriteProtect(address, 16 * Page, protect: false);
        Assert.True(writer.Join(limit));
    }

    [Fact]
    public void Write_to_a_missing_page_is_read_as_such()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        ulong address = ProcessCalls.MapShared(process, 16 * Page);
        using Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.PidFd, Features, kernelModeFaults: true);
        userfaultfd.Register(address, 16 * Page, UserfaultfdModes.Missing);
        using var reader = new PageFaultReader(userfaultfd, process.PidFd);
        var writer = new Thread(() => ProcessCalls.WriteAt(process, address));
        writer.Start();
        PageFault fault = ReadOne(reader);
        Assert.Equal(address, fault.Address);
        Assert.Equal(PageFaultKinds.Write, fault.Kinds);
        userfaultfd.Unregister(address, 16 * Page);
        userfaultfd.Wake(address, 16 * Page);
        Assert.True(writer.Join(limit));
    }

    [Fact]
    public void Wait_ends_when_it_is_interrupted_or_stopped_or_its_time_is_over()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        using Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.PidFd, Features, kernelModeFaults: true);
        using var reader = new PageFaultReader(userfaultfd, process.PidFd);
        long start = Stopwatch.GetTimestamp();
        Assert.True(reader.Wait(TimeSpan.FromMilliseconds(20), out _));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(20), limit);
        reader.Interrupt();
        Assert.True(reader.Wait(Timeout.InfiniteTimeSpan, out _));
        var stopper = new Thread(reader.Stop);
        stopper.Start();
        Assert.False(reader.Wait(Timeout.InfiniteTimeSpan, out _));
        Assert.False(reader.Wait(Timeout.InfiniteTimeSpan, out _));
        stopper.Join();
    }

    [Fact]
    public void Wait_ends_when_the_process_ends()
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        using Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.PidFd, Features, kernelModeFaults: true);
        using var reader = new PageFaultReader(userfaultfd, process.PidFd);
        process.PidFd.SendSignal(PidFd.SignalKill);
        Assert.False(reader.Wait(limit, out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Descriptor_stays_in_the_process_only_where_it_is_to(bool stayOpenInside)
    {
        using ForeignProcess process = ForeignProcess.Sleeping();
        using Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.PidFd, Features, stayOpenInside: stayOpenInside);
        bool inside = Directory.EnumerateFiles($"/proc/{process.Id}/fd")
            .Any(path => new FileInfo(path).LinkTarget?.Contains("userfaultfd", StringComparison.Ordinal) == true);
        Assert.Equal(stayOpenInside, inside);
    }

    private static PageFault ReadOne(PageFaultReader reader)
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < limit)
        {
            Assert.True(reader.Wait(limit, out ReadOnlySpan<PageFault> found));
            if (!found.IsEmpty) return Assert.Single(found.ToArray());
        }

        throw new TimeoutException("No fault was read.");
    }
}
