using System.Globalization;
using VmMigration.Engine;

namespace VmMigration.Performance;

/// <summary>Measures the ways in turning order, one fresh guest each, and prints every run and the ratios round by round.</summary>
internal sealed class QemuComparison(int memoryMiB, int fillMiB, int rewriteMiB)
{
    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        (string Name, Func<MeasuredGuest, CancellationToken, Task<Measurement>> Run)[] ways =
        [
            ("engine", EngineMigration.RunAsync),
            ("qemu", (guest, token) => NativeMigration.RunAsync(guest, multifd: false, token)),
            ("multifd", (guest, token) => NativeMigration.RunAsync(guest, multifd: true, token)),
        ];
        var results = ways.ToDictionary(way => way.Name, _ => new Measurement?[rounds]);
        Console.WriteLine($"{memoryMiB} MiB guest, {fillMiB} MiB filled, {rewriteMiB} MiB rewritten in a loop, {rounds} rounds");
        for (int round = 0; round < rounds; round++)
        {
            for (int turn = 0; turn < ways.Length; turn++)
            {
                (string name, Func<MeasuredGuest, CancellationToken, Task<Measurement>> run) = ways[(round + turn) % ways.Length];
                try
                {
                    await using MeasuredGuest guest = await MeasuredGuest.BootAsync(memoryMiB, fillMiB, rewriteMiB, cancellationToken);
                    Measurement measured = await run(guest, cancellationToken);
                    results[name][round] = measured;
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"round {round + 1} {name,-8} total {measured.Total.TotalMilliseconds,7:F0} ms  downtime {measured.Downtime.TotalMilliseconds,6:F1} ms"
                        + $"  {measured.BytesSent / 1e6,5:F0} MB  {measured.Passes,2} passes  {measured.Detail}"));
                }
                catch (MigrationException error)
                {
                    Console.WriteLine($"round {round + 1} {name,-8} failed: {error.Message}");
                }
            }
        }

        foreach (string peer in new[] { "qemu", "multifd" })
        {
            PrintRatio("total", peer, results["engine"], results[peer], measured => measured.Total);
            PrintRatio("downtime", peer, results["engine"], results[peer], measured => measured.Downtime);
        }

        return results["engine"].Any(measured => measured is null) ? 1 : 0;
    }

    private static void PrintRatio(string what, string peer, Measurement?[] own, Measurement?[] other, Func<Measurement, TimeSpan> figure)
    {
        double[] ratios =
        [
            .. own.Zip(other).Where(pair => pair is { First: not null, Second: not null })
                .Select(pair => figure(pair.First!) / figure(pair.Second!)).Order(),
        ];
        Console.WriteLine(ratios.Length == 0
            ? $"{what,-8} engine/{peer}: no round in which both completed"
            : string.Create(CultureInfo.InvariantCulture,
                $"{what,-8} engine/{peer,-8} median {ratios[ratios.Length / 2]:F2}  (from {ratios[0]:F2} to {ratios[^1]:F2}, {ratios.Length} rounds)"));
    }
}
