using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Measures once per process what a first write costs on this machine, on a small memory file of its own. A guest under KVM pays an exit
/// from guest mode on top, which is not in it; both ways pay that alike.
/// </summary>
internal static class FaultCalibration
{
    private const int PageCount = 512;
    private const int RegionPages = 8;
    private const int Page = GuestMemory.PageSizeBytes;

    // One page of guest memory on a link of 1 GB/s: what sending it in vain costs where comparing does not spare it.
    private static readonly TimeSpan needlessPage = TimeSpan.FromMicroseconds(4);

    private static readonly Lazy<TimeSpan> asyncFault = new(() => Measure(MakeAsync, faults: PageCount));
    private static readonly Lazy<TimeSpan> syncFault = new(() => Measure(MakeSync, faults: PageCount / RegionPages));

    /// <summary>What a first write costs that the kernel resolves.</summary>
    public static TimeSpan AsyncFault => asyncFault.Value;

    /// <summary>All costs; needs the right to handle kernel-mode faults.</summary>
    public static TraceCosts All => new(syncFault.Value, asyncFault.Value, needlessPage);

    private static TimeSpan Measure(Func<MemoryMapping, PidFd, WriteTrace> arm, int faults)
    {
        using SafeFileHandle file = Memfd.Create("vmmigration-calibration", PageCount * Page);
        using MemoryMapping mapping = MemoryMapping.MapSharedFile(file, PageCount * Page);
        mapping.Slice(0, PageCount * Page).Fill(1);
        using PidFd self = PidFd.Open(Environment.ProcessId);
        using WriteTrace trace = arm(mapping, self);
        var written = new PageSet(PageCount);
        TimeSpan best = TimeSpan.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            TimeSpan armed = WriteEveryPage(file, mapping);
            TimeSpan lifted = WriteEveryPage(file, mapping);
            TimeSpan cost = (armed - lifted) / faults;
            if (cost > TimeSpan.Zero && cost < best) best = cost;
            written.Clear();
            trace.CollectAndRearm(written);
        }

        // A machine so busy that three rounds show no difference at all: the clock's own resolution is what is known.
        return best == TimeSpan.MaxValue ? TimeSpan.FromTicks(1) : best;
    }

    /// <summary>
    /// By system calls: a managed thread that stood still in a fault of its own could keep the garbage collector waiting, one in a system
    /// call cannot.
    /// </summary>
    private static TimeSpan WriteEveryPage(SafeFileHandle file, MemoryMapping mapping)
    {
        long start = Stopwatch.GetTimestamp();
        for (int page = 0; page < PageCount; page++)
        {
            int count = PositionalIo.Read(file, 0, mapping.Slice(page * Page, 1));
            if (count < 0) throw Errno.Failure(-count, "pread", "calibration file");
        }

        return Stopwatch.GetElapsedTime(start);
    }

    private static AsyncWriteTrace MakeAsync(MemoryMapping mapping, PidFd self) =>
        new(Userfaultfd.Create(AsyncWriteTrace.RequiredFeatures), self, (ulong)mapping.Address, mapping.SizeBytes);

    private static SyncWriteTrace MakeSync(MemoryMapping mapping, PidFd self) => new(
        Userfaultfd.Create(SyncWriteTrace.RequiredFeatures, kernelModeFaults: true), self, (ulong)mapping.Address, mapping.SizeBytes,
        RegionPages * Page);
}
