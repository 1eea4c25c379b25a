using System.Diagnostics;
using System.Globalization;
using System.Net;
using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;

namespace VmMigration.Performance.Disks;

/// <summary>
/// Transfers whose connections are cut after a part of the disk's data, and what it takes to finish them, against a copy of the whole disk in
/// the same round. The cuts are made by a proxy; what is timed goes without it.
/// </summary>
/// <param name="sizeMiB">Size of the image.</param>
/// <param name="directory">Where image and copies lie; null takes the system's temporary directory.</param>
/// <param name="fractions">How much of the data passes before each cut, above 0 and below 1.</param>
internal sealed class DiskCutComparison(int sizeMiB, string? directory, double[] fractions)
{
    /// <summary>The cuts that the aims are about.</summary>
    public static readonly double[] Fractions = [0.01, 0.1, 0.5, 0.9, 0.97, 0.999];

    private const long AimedExcessBytes = 16 << 20;
    private const double AimedFraction = 0.9;
    private const double AimedRatio = 0.15;

    /// <summary>Prints every run, medians, and whether the aims were reached.</summary>
    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        using DiskScratch scratch = await DiskScratch.CreateAsync(directory, sizeMiB, cancellationToken);
        await using EngineCopy engine = await EngineCopy.OpenAsync(scratch, LinkSecurity.Plain, new(), cancellationToken);
        string target = Path.Combine(scratch.MakeDirectory("copies"), "copy.raw");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{sizeMiB} MiB, half of them data, in {scratch.Root} ({new DriveInfo(scratch.Root).DriveFormat}), {rounds} rounds"));

        // Compiles the code.
        await FinishAsync(engine, scratch, target, cancellationToken);
        var runs = fractions.ToDictionary(fraction => fraction, _ => new List<DiskCutRun>());
        for (int round = 0; round < rounds; round++)
        {
            double[] order = [.. fractions];
            Random.Shared.Shuffle(order);
            foreach (double fraction in order)
            {
                DiskCutRun run = await MeasureAsync(engine, scratch, target, fraction, cancellationToken);
                runs[fraction].Add(run);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"round {round + 1} cut at {fraction * 100,5:F1} %: fresh {run.Fresh.TotalSeconds,6:F2} s, finished in"
                    + $" {run.Finish.TotalSeconds,6:F2} s ({run.Finish / run.Fresh:P0}), sent {run.SentBytes / 1048576.0:F1} MiB,"
                    + $" {run.ExcessBytes / 1048576.0:F1} MiB more than the rest"));
            }
        }

        foreach (double fraction in fractions)
        {
            PairedRatios.Of(string.Create(CultureInfo.InvariantCulture, $"cut at {fraction * 100,5:F1} %: time"), "finish", runs[fraction], "fresh",
                runs[fraction].Select(run => run with { Finish = run.Fresh }), run => run.Finish.TotalSeconds).Print();
        }

        long excess = runs.Values.SelectMany(list => list).Max(run => run.ExcessBytes);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Aim: sent again at most the rest and 16 MiB: at most {excess / 1048576.0:F1} MiB: {(excess <= AimedExcessBytes ? "met" : "missed")}"));
        if (!runs.TryGetValue(AimedFraction, out List<DiskCutRun>? aimed)) return 0;
        double ratio = PairedRatios.MedianOf(aimed.Select(run => run.Finish / run.Fresh));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Aim: cut at 90 %, finished in at most 15 % of a fresh copy: {ratio:P1}: {(ratio <= AimedRatio ? "met" : "missed")}"));
        return 0;
    }

    private static async Task<DiskCutRun> MeasureAsync(
        EngineCopy engine, DiskScratch scratch, string target, double fraction, CancellationToken cancellationToken)
    {
        (TimeSpan fresh, DiskTransferStatus whole) = await FinishAsync(engine, scratch, target, cancellationToken);
        long passed = (long)(whole.DataBytes * fraction);
        await CutAsync(engine, scratch, target, passed, cancellationToken);
        (TimeSpan finish, DiskTransferStatus rest) = await FinishAsync(engine, scratch, target, cancellationToken);
        long sent = rest.DataBytes + rest.RepairedBytes;
        return new(fresh, finish, sent, sent - (whole.DataBytes - passed));
    }

    /// <summary>Copies the disk to its end, from whatever there is of it.</summary>
    private static async Task<(TimeSpan Time, DiskTransferStatus Status)> FinishAsync(
        EngineCopy engine, DiskScratch scratch, string target, CancellationToken cancellationToken)
    {
        scratch.Prepare();
        long start = Stopwatch.GetTimestamp();
        DiskTransferStatus status = await engine.CopyAsync(scratch.ImagePath, target, cancellationToken);
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        if (!scratch.IsCopied(target)) throw new InvalidOperationException("The copy differs from the image.");
        File.Delete(target);
        return (time, status);
    }

    private static async Task CutAsync(
        EngineCopy engine, DiskScratch scratch, string target, long bytes, CancellationToken cancellationToken)
    {
        IHostDisks source = engine.Source.Disks;
        IHostDisks destination = engine.Destination.Disks;
        DiskDescription disk = await source.DescribeDiskAsync(scratch.ImagePath, cancellationToken);
        IncomingDiskOffer offer = await destination.PrepareIncomingDiskAsync(
            new(Guid.NewGuid(), disk, target, new()), cancellationToken);
        await using var proxy = new CuttingProxy(new(IPAddress.Parse(offer.Offer.Address), offer.Offer.Port), bytes);
        DiskTransferStatus status = await source.StartDiskTransferAsync(
            new(disk.Path, offer with { Offer = offer.Offer with { Port = proxy.Endpoint.Port } }, new()), cancellationToken);
        await foreach (DiskTransferStatus next in source.WatchDiskTransferAsync(status.Id, cancellationToken)) status = next;
        if (status.ErrorReason != MigrationErrorReason.ConnectionLost)
        {
            throw new InvalidOperationException($"The transfer that was cut ended as {status.State}: {status.ErrorMessage}");
        }

        // The destination notices the cut by itself and settles what arrived: either nothing of it stays, or a fragment does.
        string arriving = Path.GetDirectoryName(target)!;
        while (Directory.EnumerateFiles(arriving).Any()) await Task.Delay(10, cancellationToken);
        await destination.ListDiskFragmentsAsync(cancellationToken);
    }
}
