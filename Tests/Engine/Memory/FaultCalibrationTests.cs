using System.Globalization;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class FaultCalibrationTests
{
    private const int PageCount = 2048;

    /// <summary>The kernel's count of faults is what the measured times are held against.</summary>
    [Fact]
    public void Cost_of_a_lifted_page_tells_whether_this_kernel_takes_a_fault_for_it()
    {
        if (KernelFeatures.Probe() is { SyncTraceObstacle: { } byEngine }) Assert.Skip(byEngine);
        if (KernelFeatures.Probe() is { AsyncTraceObstacle: { } byKernel }) Assert.Skip(byKernel);
        using var ram = new RamFile(PageCount);
        using var writer = new WritingProcess(ram, atRandom: false);
        using WriteTrace trace = WriteTraceConformanceTests.Arm(
            AdaptiveWriteTrace.RegionBytes, writer.PidFd, writer.Address, ram.SizeBytes);
        int regions = (int)(ram.SizeBytes / AdaptiveWriteTrace.RegionBytes);

        // From a process that goes round and round: one round after the last region was lifted has seen every page.
        Eventually.Holds(() => trace.Statistics.Faults == regions);
        long before = MinorFaults(writer.PidFd.ProcessId);
        WriteTraceConformanceTests.Collect(trace, PageCount);
        Eventually.Holds(() => trace.Statistics.Faults >= 2 * regions);
        long perRegion = (MinorFaults(writer.PidFd.ProcessId) - before) / regions;
        TraceCosts costs = FaultCalibration.All;
        Assert.Equal(perRegion > PageCount / regions / 2 ? costs.AsyncFault : TimeSpan.Zero, costs.LiftedPage);
    }

    /// <summary>Field 10 of /proc/PID/stat (proc_pid_stat(5)); the name in parentheses is field 2.</summary>
    private static long MinorFaults(int processId)
    {
        string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
        return long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[7], CultureInfo.InvariantCulture);
    }
}
