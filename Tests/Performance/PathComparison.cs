using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using VmMigration.Functional.Tests.Paths;

namespace VmMigration.Performance;

/// <summary>
/// Sets mobility paths up and rolls them back, and moves the same VM over each kind of path in turning order, between two hosts in networks
/// of their own that a gateway's network joins. Direct is plain routing through that gateway.
/// </summary>
internal sealed class PathComparison(int memoryMiB)
{
    private static readonly MobilityPathKind[] kinds = [MobilityPathKind.Direct, MobilityPathKind.Overlay, MobilityPathKind.Nat];
    private static readonly TimeSpan aimedTogether = TimeSpan.FromMilliseconds(150);
    private const double AimedNatThroughput = 0.8;

    /// <summary>Prints every run, the medians and the ratios round by round, and whether the aims were reached.</summary>
    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        Console.WriteLine($"{memoryMiB} MiB of data, {rounds} rounds, load average {File.ReadAllText("/proc/loadavg").Trim()}");
        using NetworkLab network = await NetworkLab.CreateAsync(routed: true, cancellationToken);
        DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-perf-");
        try
        {
            await using LocalHost source = await OpenAsync(root, "source", network.Source, [NetworkLab.SourceAddress], cancellationToken);
            await using LocalHost destination = await OpenAsync(
                root, "destination", network.Destination, [NetworkLab.DestinationAddress], cancellationToken);
            await using LocalHost gateway = await OpenAsync(
                root, "gateway", network.Gateway, [NetworkLab.GatewayAddressOfSource, NetworkLab.GatewayAddressOfDestination], cancellationToken);
            bool soon = true;
            foreach (MobilityPathKind kind in kinds[1..])
            {
                soon &= await MeasureSetupAsync(kind, rounds, source, destination, gateway, cancellationToken);
            }

            var results = kinds.ToDictionary(kind => kind, _ => new MigrationResult?[rounds]);
            for (int round = 0; round < rounds; round++)
            {
                for (int turn = 0; turn < kinds.Length; turn++)
                {
                    MobilityPathKind kind = kinds[(round + turn) % kinds.Length];
                    results[kind][round] = await MoveAsync(kind, round, source, destination, gateway, cancellationToken);
                }
            }

            Ratios("Overlay", results[MobilityPathKind.Overlay], results[MobilityPathKind.Direct]).Print();
            PairedRatios nat = Ratios("Nat", results[MobilityPathKind.Nat], results[MobilityPathKind.Direct]);
            nat.Print();
            Console.WriteLine($"load average at the end {File.ReadAllText("/proc/loadavg").Trim()}");
            return soon && nat.Median >= AimedNatThroughput ? 0 : 1;
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    private static PairedRatios Ratios(string name, MigrationResult?[] own, MigrationResult?[] direct) =>
        PairedRatios.Of("throughput", name, own, "Direct", direct, Throughput);

    /// <summary>Of the first pass, in bytes a second: it carries all the data, and nothing else is done meanwhile.</summary>
    private static double Throughput(MigrationResult result) =>
        result.PassDetails[0].BytesSent / result.PassDetails[0].Duration.TotalSeconds;

    private static async Task<bool> MeasureSetupAsync(
        MobilityPathKind kind, int rounds, LocalHost source, LocalHost destination, LocalHost gateway, CancellationToken cancellationToken)
    {
        List<double> setups = [];
        List<double> rollbacks = [];
        IMigrationHost[] hosts = kind == MobilityPathKind.Nat ? [source, destination, gateway] : [source, destination];

        // The first one loads programs and compiles code; it does not count.
        for (int round = -1; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            MobilityPath path = await MobilityPathBroker.CreateAsync(
                kind, source, destination, kind == MobilityPathKind.Nat ? gateway : null, cancellationToken);
            TimeSpan setup = Stopwatch.GetElapsedTime(start);
            start = Stopwatch.GetTimestamp();
            await MobilityPathBroker.RemoveAsync(path.PathId, hosts, cancellationToken);
            TimeSpan rollback = Stopwatch.GetElapsedTime(start);
            if (round < 0) continue;
            setups.Add(setup.TotalMilliseconds);
            rollbacks.Add(rollback.TotalMilliseconds);
        }

        double[] sums = [.. setups.Zip(rollbacks, (setup, rollback) => setup + rollback).Order()];
        double median = PairedRatios.MedianOf(sums);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{kind,-8} set-up {PairedRatios.MedianOf(setups),6:F1} ms  rollback {PairedRatios.MedianOf(rollbacks),6:F1} ms"
            + $"  together {median,6:F1} ms (from {sums[0]:F1} to {sums[^1]:F1}, {rounds} rounds)"));
        return median <= aimedTogether.TotalMilliseconds;
    }

    private async Task<MigrationResult?> MoveAsync(
        MobilityPathKind kind, int round, LocalHost source, LocalHost destination, LocalHost gateway, CancellationToken cancellationToken)
    {
        // Writes all of its memory once and then goes on slowly, so that the first pass finds data in every page and little is left after it.
        var specification = new VmSpecification
        {
            Name = $"measured-{kind}-{round}",
            MemoryBytes = (long)memoryMiB << 20,
            Embedded = new() { Program = GuestProgramKind.SequentialWriter },
        };
        await source.CreateVmAsync(specification, cancellationToken);
        LocalHost owner = source;
        try
        {
            await source.StartVmAsync(specification.Id, cancellationToken);
            await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
            await source.PauseVmAsync(specification.Id, cancellationToken);
            MobilityPathChoice path = kind == MobilityPathKind.Direct
                ? MobilityPathChoice.Direct
                : MobilityPathChoice.Make(kind, kind == MobilityPathKind.Nat ? gateway : null);
            MigrationStatus status = await MigrationBroker.StartAsync(source, specification.Id, destination, new(), path, cancellationToken);
            await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, cancellationToken)) status = next;
            if (status.Result is not { } result)
            {
                Console.WriteLine($"round {round + 1} {kind,-8} failed: {status.ErrorReason}: {status.ErrorMessage}");
                return null;
            }

            owner = destination;
            string made = result.PathSetup is { } setup
                ? string.Create(CultureInfo.InvariantCulture, $"  path made in {setup.TotalMilliseconds:F0} ms")
                : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"round {round + 1} {kind,-8} {Throughput(result) / 1e6,6:F0} MB/s  total {result.TotalTime.TotalMilliseconds,6:F0} ms"
                + $"  {result.BytesSent / 1e6,5:F0} MB  {result.Channels} channels{made}"));
            return result;
        }
        finally
        {
            await owner.StopVmAsync(specification.Id, force: true, CancellationToken.None);
            await owner.RemoveVmAsync(specification.Id, CancellationToken.None);
        }
    }

    private static Task<LocalHost> OpenAsync(
        DirectoryInfo root, string name, NetworkNamespace network, string[] addresses, CancellationToken cancellationToken) =>
        LocalHost.OpenAsync(
            new()
            {
                Name = name,
                StateDirectory = Path.Combine(root.FullName, name),
                Network = new(network),
                ListenAddress = System.Net.IPAddress.Parse(addresses[0]),
                LinkSecurity = Engine.Protocol.LinkSecurity.Plain,
                PathAddresses = [.. addresses.Select(System.Net.IPAddress.Parse)],
                PathGateway = name == "gateway",
            },
            cancellationToken);
}
