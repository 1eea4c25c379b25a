using System.Globalization;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;

namespace VmMigration.Performance;

/// <summary>
/// Moves the same Linux guest on pages of 2 MiB, on pages of 4 KiB, and on pages of 2 MiB that are not kept, in turning order, a fresh
/// guest each.
/// </summary>
internal sealed class LargePageComparison(int memoryMiB, int fillMiB, int rewriteMiB)
{
    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan settling = TimeSpan.FromSeconds(3);

    private static readonly (string Name, MemoryBacking Backing, bool Preserve)[] ways =
    [
        ("2M", MemoryBacking.TransparentHugePages, true),
        ("4K", MemoryBacking.BasePages, true),
        ("2M-off", MemoryBacking.TransparentHugePages, false),
    ];

    /// <summary>Prints every run, the ratios round by round, and whether what is promised held.</summary>
    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        Console.WriteLine($"{memoryMiB} MiB guest, {fillMiB} MiB filled, {rewriteMiB} MiB rewritten in a loop, {rounds} rounds");
        var results = ways.ToDictionary(way => way.Name, _ => new MigrationResult?[rounds]);
        for (int round = 0; round < rounds; round++)
        {
            for (int turn = 0; turn < ways.Length; turn++)
            {
                (string name, MemoryBacking backing, bool preserve) = ways[(round + turn) % ways.Length];
                MigrationResult result;
                try
                {
                    result = await MeasureAsync(backing, preserve, cancellationToken);
                }
                catch (MigrationException error)
                {
                    Console.WriteLine($"round {round + 1} {name,-6} failed: {error.Reason}: {error.Message}");
                    continue;
                }

                results[name][round] = result;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"round {round + 1} {name,-6} total {result.TotalTime.TotalMilliseconds,6:F0} ms"
                    + $"  downtime {result.Downtime.TotalMilliseconds,6:F1} ms"
                    + $"  {result.BytesSent / 1e6,5:F0} MB  {result.Passes,2} passes  unchanged {result.PagesUnchanged,6}"
                    + $"  2M source {Describe(result.LargePagesAtSource)} pause {Describe(result.LargePagesAtPause)}"
                    + $" destination {Describe(result.LargePagesAtDestination)}  faults {result.FaultsAfterResume}"
                    + $"  populated {result.PagesPopulated} in {result.PopulationTime.TotalMilliseconds:F0} ms"));
            }
        }

        var bytes = PairedRatios.Of("bytes", "2M", results["2M"], "4K", results["4K"], result => result.BytesSent);
        bytes.Print();
        if (double.IsNaN(bytes.Median)) return 1;
        double kept = results["2M"].OfType<MigrationResult>().Min(result => result.LargePagesAtDestination?.Share ?? 0);
        double lost = results["2M-off"].OfType<MigrationResult>().Max(result => result.LargePagesAtDestination?.Share ?? 0);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"2M share at the destination at least {kept:P1}, with preservation off at most {lost:P1}"));
        return bytes.Median <= 1.1 && kept >= 0.99 ? 0 : 1;
    }

    private async Task<MigrationResult> MeasureAsync(MemoryBacking backing, bool preserve, CancellationToken cancellationToken)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-perf-");
        try
        {
            await using LocalHost source = await OpenAsync(root, "source", cancellationToken);
            await using LocalHost destination = await OpenAsync(root, "destination", cancellationToken);
            QemuGuest qemu = await new QemuDemoGuest { FillBytes = (long)fillMiB << 20, RewriteBytes = (long)rewriteMiB << 20 }
                .BuildAsync(Path.Combine(root.FullName, "guest"), cancellationToken);
            var specification = new VmSpecification
            {
                Name = "measured", MemoryBytes = (long)memoryMiB << 20, VcpuCount = 2, Backing = backing, Qemu = qemu,
            };
            await source.CreateVmAsync(specification, cancellationToken);
            try
            {
                VmDescription vm = await source.StartVmAsync(specification.Id, cancellationToken);
                await WaitUntilFilledAsync(vm.Instance!.SerialLogPath!, cancellationToken);
                MigrationStatus status = await MigrationBroker.StartAsync(
                    source, specification.Id, destination,
                    new() { DowntimeLimit = TimeSpan.FromMilliseconds(300), PreserveLargePages = preserve }, cancellationToken);
                await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, cancellationToken)) status = next;
                return status.Result ?? throw new MigrationException(status.ErrorReason, status.ErrorMessage ?? "no reason");
            }
            finally
            {
                await StopAsync(source);
                await StopAsync(destination);
            }
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    private static async Task StopAsync(LocalHost host)
    {
        foreach (VmDescription vm in await host.ListVmsAsync(CancellationToken.None))
        {
            try
            {
                if (vm.State != VmState.Stopped) await host.StopVmAsync(vm.Specification.Id, force: true, CancellationToken.None);
            }
            catch (MigrationException error) when (error.Reason == MigrationErrorReason.VmNotFound)
            {
                // A migration that failed took its incoming VM away in the same moment.
            }
        }
    }

    private static async Task WaitUntilFilledAsync(string serialLog, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(bootLimit);
        while (!File.Exists(serialLog)
            || !(await File.ReadAllTextAsync(serialLog, limit.Token)).Contains("FILLED", StringComparison.Ordinal))
        {
            await Task.Delay(100, limit.Token);
        }

        // The rewriting loop reaches its steady state after its first rounds.
        await Task.Delay(settling, cancellationToken);
    }

    private static Task<LocalHost> OpenAsync(DirectoryInfo root, string name, CancellationToken cancellationToken) =>
        LocalHost.OpenAsync(new() { Name = name, StateDirectory = Path.Combine(root.FullName, name) }, cancellationToken);

    private static string Describe(LargePageCoverage? coverage) => coverage is null
        ? "?"
        : string.Create(
            CultureInfo.InvariantCulture, $"{coverage.LargeBytes >> 20}/{coverage.MappedBytes >> 20} MiB ({coverage.Share:P1})");
}
