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
            PairedRatios
                .Of("total   ", "engine", results["engine"], peer, results[peer], measured => measured.Total.TotalMilliseconds)
                .Print();
            PairedRatios
                .Of("downtime", "engine", results["engine"], peer, results[peer], measured => measured.Downtime.TotalMilliseconds)
                .Print();
        }

        return results["engine"].Any(measured => measured is null) ? 1 : 0;
    }
}
