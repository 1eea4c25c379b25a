using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Tests.Memory;

namespace VmMigration.Performance;

/// <summary>A Linux guest that runs one workload and prints a dot on its serial console after every so many stores.</summary>
internal sealed class TracedGuest : IAsyncDisposable
{
    // Some 25 to 130 dots a second: a window of 4 s is known to 1 %.
    private const int StoresPerDot = 1 << 16;

    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan settling = TimeSpan.FromSeconds(2);

    private readonly DirectoryInfo root;
    private IVirtualMachine? vm;

    private TracedGuest(DirectoryInfo root) => this.root = root;

    private string SerialLog => vm!.Instance.SerialLogPath!;

    public static async Task<TracedGuest> BootAsync(int memoryMiB, RewriteWorkload workload, CancellationToken cancellationToken)
    {
        var guest = new TracedGuest(Directory.CreateTempSubdirectory("vmm-perf-"));
        try
        {
            await guest.StartAsync(memoryMiB, workload, cancellationToken);
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>Traces for a while, collecting as passes of a migration would; null traces nothing.</summary>
    public async Task<TraceMeasurement> MeasureAsync(
        int? granularityBytes, TimeSpan armedTime, TimeSpan passTime, CancellationToken cancellationToken)
    {
        await Task.Delay(settling, cancellationToken);
        using WriteTrace? trace = granularityBytes is { } wanted ? await vm!.StartWriteTraceAsync(wanted, cancellationToken) : null;
        var written = new PageSet(vm!.Memory.PageCount);
        long dotsBefore = new FileInfo(SerialLog).Length;
        TimeSpan runBefore = ReadRunTime();
        long start = Stopwatch.GetTimestamp();
        long dirtyPages = 0;
        int passes = 0;
        while (Stopwatch.GetElapsedTime(start) < armedTime)
        {
            await Task.Delay(passTime, cancellationToken);
            written.Clear();
            trace?.CollectAndRearm(written);
            dirtyPages += written.Count;
            passes++;
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double stores = (double)(new FileInfo(SerialLog).Length - dotsBefore) * StoresPerDot;
        WriteTraceStatistics? cost = trace?.Statistics;

        // Where the kernel resolves the faults, the vCPU's thread runs meanwhile.
        TimeSpan stoodStill = trace switch
        {
            SyncWriteTrace => cost!.GuestStallTime,
            AdaptiveWriteTrace adaptive => adaptive.EngineStallTime,
            _ => TimeSpan.Zero,
        };
        double busySeconds = (ReadRunTime() - runBefore + stoodStill).TotalSeconds;
        return new(
            stores / seconds, stores / busySeconds, (cost?.Faults ?? 0) / (double)passes,
            (double)(dirtyPages << GuestMemory.PageShift) / passes,
            (cost?.GuestStallTime.TotalSeconds ?? 0) / seconds, trace?.Mechanism);
    }

    public async ValueTask DisposeAsync()
    {
        if (vm is not null) await vm.DestroyAsync();
        root.Delete(recursive: true);
    }

    /// <summary>Time QEMU's threads have run (schedstat of Documentation/scheduler/sched-stats.rst, in ns).</summary>
    private TimeSpan ReadRunTime() => TimeSpan.FromMicroseconds(Directory.GetDirectories($"/proc/{vm!.Instance.ProcessId}/task")
        .Sum(task => long.Parse(File.ReadAllText($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture)) / 1000.0);

    private async Task StartAsync(int memoryMiB, RewriteWorkload workload, CancellationToken cancellationToken)
    {
        QemuGuest demo = await new QemuDemoGuest { FillBytes = 0, RewriteBytes = 0 }.BuildAsync(root.FullName, cancellationToken);
        string initrd = Path.Combine(root.FullName, "traced.cpio.gz");
        await using (FileStream file = File.Create(initrd))
        await using (var compressed = new GZipStream(file, CompressionLevel.Fastest))
        {
            // The program is the guest's first process and prints to its console.
            var archive = new NewcArchive(compressed);
            archive.AddFile("init", new MemoryWriterProgram
            {
                SizeBytes = (long)workload.SizeMiB << 20, StrideBytes = workload.StrideBytes, AtRandom = workload.AtRandom,
                StoresPerDot = StoresPerDot,
            }.Build());
            archive.Finish();
        }

        var hypervisor = new QemuHypervisor(new() { StateDirectory = Path.Combine(root.FullName, "state") });
        vm = await hypervisor.StartAsync(new()
        {
            Name = "traced",
            MemoryBytes = (long)memoryMiB << 20,
            Qemu = demo with
            {
                InitrdPath = initrd, Accelerator = QemuAccelerator.Tcg, KernelCommandLine = "console=ttyS0 quiet panic=0 no_timer_check",
            },
        }, cancellationToken);
        await WaitForDotsAsync(cancellationToken);
    }

    private async Task WaitForDotsAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(bootLimit);
        while (!File.Exists(SerialLog) || !(await File.ReadAllTextAsync(SerialLog, limit.Token)).Contains("....", StringComparison.Ordinal))
        {
            await Task.Delay(100, limit.Token);
        }
    }
}
