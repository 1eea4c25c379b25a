using System.Globalization;
using VmMigration.Engine.Memory;

namespace VmMigration.Performance;

/// <summary>
/// Measures how fast a guest's loop rewrites memory while writes are traced in units of 4 KiB, 2 MiB and as the engine chooses, and
/// untraced, on one guest per workload. Each round has an order of its own, the same in every run: in turning order each way would always
/// come after the same other one, and have what that leaves behind.
/// </summary>
internal sealed class TraceComparison(int memoryMiB, TimeSpan armedTime, TimeSpan passTime)
{
    private const string Untraced = "untraced";
    private const string Auto = "auto";

    private static readonly (string Name, int? GranularityBytes)[] ways =
    [
        (Untraced, null), ("4K", 4 << 10), ("2M", 2 << 20), (Auto, WriteTrace.AutoGranularity),
    ];

    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{memoryMiB} MiB guest under TCG, armed for {armedTime.TotalSeconds} s,"
            + $" collected every {passTime.TotalMilliseconds} ms, {rounds} rounds"));
        foreach (RewriteWorkload workload in RewriteWorkload.All)
        {
            var results = ways.ToDictionary(way => way.Name, _ => new List<TraceMeasurement>());
            await using var guest = await TracedGuest.BootAsync(memoryMiB, workload, cancellationToken);
            for (int round = 0; round < rounds; round++)
            {
                (string Name, int? GranularityBytes)[] order = [.. ways];
                new Random(round).Shuffle(order);
                foreach ((string name, int? granularityBytes) in order)
                {
                    TraceMeasurement measured = await guest.MeasureAsync(granularityBytes, armedTime, passTime, cancellationToken);
                    results[name].Add(measured);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{workload.Name,-9} round {round + 1} {name,-8} {measured.StoresPerSecond / 1e6,8:F2} M stores/s"
                        + $" {measured.StoresPerBusySecond / 1e6,7:F2} a busy second"
                        + $"  faults a pass {measured.FaultsPerPass,8:F0}  dirty a pass {measured.DirtyBytesPerPass / 1048576.0,7:F1} MiB"
                        + $"  stalled {measured.StallShare,6:P2}  {measured.Mechanism}"));
                }
            }

            foreach ((string name, _) in ways.Where(way => way.Name != Auto))
            {
                PairedRatios
                    .Of($"{workload.Name,-9} throughput   ", Auto, results[Auto], name, results[name], measured => measured.StoresPerSecond)
                    .Print();
                PairedRatios
                    .Of(
                        $"{workload.Name,-9} a busy second", Auto, results[Auto], name, results[name],
                        measured => measured.StoresPerBusySecond)
                    .Print();
            }
        }

        return 0;
    }
}
