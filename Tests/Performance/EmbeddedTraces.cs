using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;

namespace VmMigration.Performance;

/// <summary>
/// What a write trace costs an embedded guest: steps a second while the trace is armed and collected in turn, for each unit and each
/// choice of who arms, as a share of the steps the same guest takes untraced in the same round. One run, turning order.
/// </summary>
internal sealed class EmbeddedTraces(int memoryMiB, int vcpuCount, TimeSpan armed, TimeSpan interval, TimeSpan faultTime)
{
    private static readonly (string Name, GuestProgramKind Program, long StepsPerSecond)[] workloads =
    [
        ("hot-set", GuestProgramKind.HotSetWriter, 0),
        ("sequential", GuestProgramKind.SequentialWriter, 0),
        ("scattered", GuestProgramKind.HotSetWriter, 20_000),
    ];

    private static readonly (string Name, int Bytes)[] units = [("4K", 4096), ("2M", 2 << 20), ("Auto", WriteTrace.AutoGranularity)];

    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        (string Name, int Count)[] armers = [("all vCPUs", vcpuCount), ("one vCPU", 1), ("no vCPU", 0)];
        var ways = (from armer in armers from unit in units select (Armer: armer, Unit: unit)).ToArray();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{memoryMiB} MiB, {vcpuCount} vCPUs on {Environment.ProcessorCount} processors, {rounds} rounds; collected every"
            + $" {interval.TotalMilliseconds:F0} ms for {armed.TotalSeconds:F1} s;"
            + $" a fault takes {faultTime.TotalMicroseconds:F0} us at least"));
        foreach (var workload in workloads)
        {
            var runs = ways.ToDictionary(way => way, _ => new List<Figures>());
            for (int round = 0; round < rounds; round++)
            {
                for (int turn = 0; turn < ways.Length; turn++)
                {
                    var way = ways[(round + turn) % ways.Length];
                    runs[way].Add(await MeasureAsync(
                        workload.Program, workload.StepsPerSecond, way.Armer.Count, way.Unit.Bytes, cancellationToken));
                }
            }

            foreach (var way in ways) Print($"{workload.Name,-10} {way.Unit.Name,-4} armed by {way.Armer.Name,-9}", runs[way]);
        }

        return 0;
    }

    private async Task<Figures> MeasureAsync(
        GuestProgramKind program, long stepsPerSecond, int armingVcpus, int granularityBytes, CancellationToken cancellationToken)
    {
        await using var vm = (EmbeddedVirtualMachine)await new EmbeddedHypervisor().StartAsync(
            new()
            {
                Name = "measured",
                MemoryBytes = (long)memoryMiB << 20,
                VcpuCount = vcpuCount,
                Backing = MemoryBacking.TransparentHugePages,
                Embedded = new()
                {
                    Program = program, StepsPerSecond = stepsPerSecond, TraceArmingVcpus = armingVcpus, TraceFaultTime = faultTime,
                },
            },
            cancellationToken);

        // Memory that is touched for the first time costs a fault of the kernel's own.
        await Task.Delay(interval, cancellationToken);
        double untraced = await CountAsync(vm, null, cancellationToken);
        using WriteTrace trace = await vm.StartWriteTraceAsync(granularityBytes, cancellationToken);
        var written = new PageSet(vm.Memory.PageCount);
        long dirtyPages = 0;
        int collections = 0;
        double traced = await CountAsync(
            vm,
            () =>
            {
                written.Clear();
                trace.CollectAndRearm(written);
                dirtyPages += written.Count;
                collections++;
            },
            cancellationToken);
        WriteTraceStatistics cost = trace.Statistics;
        return new(
            traced, untraced, (double)cost.Faults / collections, (double)dirtyPages * GuestMemory.PageSizeBytes / collections,
            cost.InstallTime / cost.Installs, cost.GuestStallTime / armed / vcpuCount);
    }

    /// <summary>Steps a second of all vCPUs while the action is done every interval.</summary>
    private async Task<double> CountAsync(EmbeddedVirtualMachine vm, Action? collect, CancellationToken cancellationToken)
    {
        long before = vm.ReadSteps().Sum();
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < armed)
        {
            await Task.Delay(interval, cancellationToken);
            collect?.Invoke();
        }

        TimeSpan took = Stopwatch.GetElapsedTime(started);
        return (vm.ReadSteps().Sum() - before) / took.TotalSeconds;
    }

    private static void Print(string way, List<Figures> runs)
    {
        double Median(Func<Figures, double> figure) => PairedRatios.MedianOf(runs.Select(figure));
        new PairedRatios($"{way} traced/untraced", runs.Select(run => run.StepsPerSecond / run.UntracedStepsPerSecond)).Print();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"    {Median(run => run.StepsPerSecond) / 1e6,8:F3} M steps/s; per collection"
            + $" {Median(run => run.Faults),8:F0} faults, {Median(run => run.DirtyBytes) / (1 << 20),7:F1} MiB dirty,"
            + $" armed in {Median(run => run.Install.TotalMicroseconds),6:F0} us; vCPUs stood {Median(run => run.Stall) * 100:F1} %"));
    }

    private sealed record Figures(
        double StepsPerSecond, double UntracedStepsPerSecond, double Faults, double DirtyBytes, TimeSpan Install, double Stall);
}
