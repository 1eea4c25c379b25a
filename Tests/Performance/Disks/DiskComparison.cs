using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;

namespace VmMigration.Performance.Disks;

/// <summary>
/// A half-sparse image copied over the loopback device, by this engine and by the tools that are used for that, in an order that is drawn
/// anew in each round. The source's file is in the page cache for all; source and copy lie on one file system.
/// </summary>
/// <param name="sizeMiB">Size of the image.</param>
/// <param name="directory">Where image and copies lie; null takes the system's temporary directory.</param>
/// <param name="options">How this engine copies.</param>
/// <param name="selected">Beginnings of the names of the ways that are measured; empty for all.</param>
internal sealed class DiskComparison(int sizeMiB, string? directory, DiskTransferOptions options, IReadOnlyList<string> selected)
{
    private const double AimedRatio = 1;

    private readonly Dictionary<string, List<DiskRun?>> runs = [];

    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        using DiskScratch scratch = await DiskScratch.CreateAsync(directory, sizeMiB, cancellationToken);
        string load = (await File.ReadAllTextAsync("/proc/loadavg", cancellationToken)).Trim();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{sizeMiB} MiB, {DiskScratch.CountAllocated(scratch.ImagePath) >> 20} of them data, in {scratch.Root}"
            + $" ({new DriveInfo(scratch.Root).DriveFormat}), {Environment.ProcessorCount} processors, {rounds} rounds,"
            + $" load average {load}"));
        List<IDiskCopyWay> ways = [];
        try
        {
            await OpenAsync(scratch, ways, cancellationToken);
            foreach (IDiskCopyWay way in ways) runs[way.Name] = [];

            // The first run of each compiles code and loads programs; it does not count.
            foreach (IDiskCopyWay way in ways) await MeasureAsync(scratch, way, cancellationToken);
            for (int round = 0; round < rounds; round++)
            {
                IDiskCopyWay[] order = [.. ways];
                Random.Shared.Shuffle(order);
                foreach (IDiskCopyWay way in order)
                {
                    DiskRun run = await MeasureAsync(scratch, way, cancellationToken);
                    runs[way.Name].Add(run);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"round {round + 1} {way.Name,-13} {run.Total.TotalSeconds,6:F2} s, on the storage after {run.Durable.TotalSeconds,6:F2} s,"
                        + $" takes {run.AllocatedBytes >> 20} MiB{Describe(run.ProcessorTime)}"));
                }
            }

            Report(ways);
            return 0;
        }
        finally
        {
            foreach (IDiskCopyWay way in ways) await way.DisposeAsync();
        }
    }

    private async Task OpenAsync(DiskScratch scratch, List<IDiskCopyWay> ways, CancellationToken cancellationToken)
    {
        foreach (LinkSecurity security in new[] { LinkSecurity.Plain, LinkSecurity.Tls })
        {
            if (IsSelected(EngineCopy.NameOf(security))) ways.Add(await EngineCopy.OpenAsync(scratch, security, options, cancellationToken));
        }

        if (IsSelected("cp")) ways.Add(new CpCopy());
        if (IsSelected("rsync"))
        {
            if (CopyCommand.IsInstalled("rsync")) ways.Add(await RsyncCopy.StartAsync(scratch.MakeDirectory("copies"), cancellationToken));
            else Console.WriteLine("rsync is not installed (package rsync): it is not measured.");
        }

        foreach (bool unordered in new[] { false, true })
        {
            if (!IsSelected(NbdCopy.NameOf(unordered))) continue;
            if (CopyCommand.IsInstalled("qemu-nbd") && CopyCommand.IsInstalled("qemu-img")) ways.Add(new NbdCopy(unordered));
            else Console.WriteLine($"qemu-img or qemu-nbd is not installed (package qemu-utils): {NbdCopy.NameOf(unordered)} is not measured.");
        }
    }

    private bool IsSelected(string name) =>
        selected.Count == 0 || selected.Any(beginning => name.StartsWith(beginning, StringComparison.OrdinalIgnoreCase));

    private static async Task<DiskRun> MeasureAsync(DiskScratch scratch, IDiskCopyWay way, CancellationToken cancellationToken)
    {
        string target = Path.Combine(scratch.MakeDirectory("copies"), "copy.raw");
        try
        {
            await way.PrepareAsync(target, scratch.SizeBytes, cancellationToken);
            scratch.Prepare();
            using var process = Process.GetCurrentProcess();
            TimeSpan before = process.TotalProcessorTime;
            long start = Stopwatch.GetTimestamp();
            await way.CopyAsync(scratch.ImagePath, target, cancellationToken);
            TimeSpan total = Stopwatch.GetElapsedTime(start);
            process.Refresh();
            TimeSpan spent = process.TotalProcessorTime - before;
            using (var copy = OpenFile.ForReading(target)) FileSync.Data(copy);
            TimeSpan durable = Stopwatch.GetElapsedTime(start);
            await way.FinishAsync();
            if (!scratch.IsCopied(target)) throw new InvalidOperationException($"The copy that {way.Name} made differs from the image.");
            return new(total, durable, DiskScratch.CountAllocated(target), way is EngineCopy ? spent : null);
        }
        finally
        {
            await way.FinishAsync();
            File.Delete(target);
        }
    }

    private static string Describe(TimeSpan? processorTime) => processorTime is { } spent
        ? string.Create(CultureInfo.InvariantCulture, $", {spent.TotalSeconds:F2} s of processor time") : "";

    private void Report(List<IDiskCopyWay> ways)
    {
        foreach (IDiskCopyWay way in ways)
        {
            double[] total = [.. runs[way.Name].Select(run => run!.Total.TotalSeconds).Order()];
            double[] durable = [.. runs[way.Name].Select(run => run!.Durable.TotalSeconds).Order()];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{way.Name,-13} median {PairedRatios.MedianOf(total),6:F2} s ({total[0]:F2} to {total[^1]:F2}), on the storage"
                + $" {PairedRatios.MedianOf(durable),6:F2} s ({durable[0]:F2} to {durable[^1]:F2})"));
        }

        foreach (IDiskCopyWay engine in ways.OfType<EngineCopy>())
        {
            foreach (IDiskCopyWay peer in ways.Where(way => way is not EngineCopy))
            {
                PairedRatios.Of("time to the storage   ", engine.Name, runs[engine.Name], peer.Name, runs[peer.Name],
                    run => run.Durable.TotalSeconds).Print();
                PairedRatios.Of("time until it was told", engine.Name, runs[engine.Name], peer.Name, runs[peer.Name],
                    run => run.Total.TotalSeconds).Print();
            }
        }

        IDiskCopyWay[] peers = [.. ways.Where(way => way.IsNetworkPeer)];
        string own = EngineCopy.NameOf(LinkSecurity.Plain);
        if (peers.Length == 0 || !runs.TryGetValue(own, out List<DiskRun?>? ownRuns)) return;
        IDiskCopyWay fastest = peers.MinBy(peer => PairedRatios.MedianOf(runs[peer.Name].Select(run => run!.Durable.TotalSeconds)))!;
        double ratio = PairedRatios.Of("", own, ownRuns, fastest.Name, runs[fastest.Name], run => run.Durable.TotalSeconds).Median;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Aim: {own} on the storage in at most the time of the fastest network peer ({fastest.Name}): ratio {ratio:F3}:"
            + $" {(ratio <= AimedRatio ? "met" : "missed")}"));
    }
}
