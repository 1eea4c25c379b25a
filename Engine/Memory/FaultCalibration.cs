using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Measures once per process what a first write costs on this machine, on a small memory file of its own, which is shared memory as a VM's
/// RAM is. A guest under KVM pays an exit from guest mode on top, which is not in it; all faults pay that alike.
/// </summary>
internal static class FaultCalibration
{
    private const int PageCount = 512;
    private const int RegionPages = 8;
    private const int Rounds = 3;
    private const int Page = GuestMemory.PageSizeBytes;

    // One page of guest memory on a link of 1 GB/s: what sending it in vain costs where comparing does not spare it.
    private static readonly TimeSpan needlessPage = TimeSpan.FromMicroseconds(4);

    private static readonly Lazy<TimeSpan> asyncFault = new(MeasureAsync);
    private static readonly Lazy<(TimeSpan Fault, TimeSpan LiftedPage)> sync = new(MeasureSync);

    /// <summary>What a first write costs that the kernel resolves.</summary>
    public static TimeSpan AsyncFault => asyncFault.Value;

    /// <summary>All costs; needs the right to handle kernel-mode faults.</summary>
    public static TraceCosts All => new(sync.Value.Fault, asyncFault.Value, needlessPage, sync.Value.LiftedPage);

    private static TimeSpan MeasureAsync()
    {
        TimeSpan armed = TimeSpan.MaxValue, lifted = TimeSpan.MaxValue;
        ForEachRound(MakeAsync, (file, mapping) =>
        {
            armed = Less(armed, Write(file, mapping, stridePages: 1));
            lifted = Less(lifted, Write(file, mapping, stridePages: 1));
        });
        return AtLeastATick((armed - lifted) / PageCount);
    }

    private static (TimeSpan Fault, TimeSpan LiftedPage) MeasureSync()
    {
        TimeSpan armed = TimeSpan.MaxValue, lifted = TimeSpan.MaxValue;
        long faultsOfRest = long.MaxValue;
        ForEachRound(MakeSync, (file, mapping) =>
        {
            armed = Less(armed, Write(file, mapping, RegionPages));
            long before = ProcessStatistics.ReadThreadPageFaults();
            Write(file, mapping, stridePages: 1);
            faultsOfRest = Math.Min(faultsOfRest, ProcessStatistics.ReadThreadPageFaults() - before);
            lifted = Less(lifted, Write(file, mapping, stridePages: 1));
        });
        const int regions = PageCount / RegionPages;

        // The kernel counts what a clock could not tell from noise: whether the pages of a lifted region took a fault each.
        TimeSpan page = faultsOfRest > (PageCount - regions) / 2 ? AsyncFault : TimeSpan.Zero;
        return (AtLeastATick((armed - (lifted / RegionPages)) / regions), page);
    }

    private static void ForEachRound(Func<MemoryMapping, PidFd, WriteTrace> arm, Action<SafeFileHandle, MemoryMapping> measure)
    {
        using SafeFileHandle file = Memfd.Create("vmmigration-calibration", PageCount * Page);
        using MemoryMapping mapping = MemoryMapping.MapSharedFile(file, PageCount * Page);
        mapping.Slice(0, PageCount * Page).Fill(1);
        using PidFd self = PidFd.Open(Environment.ProcessId);
        using WriteTrace trace = arm(mapping, self);
        var written = new PageSet(PageCount);
        for (int round = 0; round < Rounds; round++)
        {
            measure(file, mapping);
            written.Clear();
            trace.CollectAndRearm(written);
        }
    }

    /// <summary>
    /// By system calls: a managed thread that stood still in a fault of its own could keep the garbage collector waiting, one in a system
    /// call cannot.
    /// </summary>
    private static TimeSpan Write(SafeFileHandle file, MemoryMapping mapping, int stridePages)
    {
        long start = Stopwatch.GetTimestamp();
        for (int page = 0; page < PageCount; page += stridePages)
        {
            int count = PositionalIo.Read(file, 0, mapping.Slice(page * Page, 1));
            if (count < 0) throw Errno.Failure(-count, "pread", "calibration file");
        }

        return Stopwatch.GetElapsedTime(start);
    }

    // Of several rounds the shortest is the one that nothing interrupted.
    private static TimeSpan Less(TimeSpan one, TimeSpan other) => one < other ? one : other;

    // A machine so busy that no round shows a difference: the clock's own resolution is what is known.
    private static TimeSpan AtLeastATick(TimeSpan cost) => cost > TimeSpan.Zero ? cost : TimeSpan.FromTicks(1);

    private static AsyncWriteTrace MakeAsync(MemoryMapping mapping, PidFd self) =>
        new(Userfaultfd.Create(AsyncWriteTrace.RequiredFeatures), self, (ulong)mapping.Address, mapping.SizeBytes);

    private static SyncWriteTrace MakeSync(MemoryMapping mapping, PidFd self) => new(
        Userfaultfd.Create(SyncWriteTrace.RequiredFeatures, kernelModeFaults: true), self, (ulong)mapping.Address, mapping.SizeBytes,
        RegionPages * Page);
}
