using System.Globalization;
using System.Management.Automation;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Turns the status of a migration into what PowerShell's progress bar shows.</summary>
internal static class MigrationProgressRecord
{
    /// <summary>
    /// The share of the remaining work that a pass leaves to the ones after it: a guess that keeps the bar from going back.
    /// </summary>
    private const double LeftByPass = 0.2;

    /// <summary>The share of the work that the disks are where they move with the VM: mostly they are larger than its memory.</summary>
    private const double ShareOfDisks = 0.8;

    public static ProgressRecord Create(MigrationStatus status) => new(
        // Several migrations are shown beside each other; the same one always in the same line.
        status.Id.GetHashCode() & int.MaxValue,
        $"Migrating {status.VmName} from {status.SourceHostName} to {status.DestinationHostName}",
        Describe(status))
    {
        PercentComplete = PercentOf(status),
        RecordType = status.HasEnded ? ProgressRecordType.Completed : ProgressRecordType.Processing,
    };

    /// <summary>How much is done, 0 to 100; never goes back from one status to a later one.</summary>
    public static int PercentOf(MigrationStatus status)
    {
        if (status.State == Engine.Migration.MigrationState.Completed) return 100;
        MigrationProgress progress = status.Progress;
        double ofDisks = progress.Disks.Count == 0 ? 0 : ShareOfDisks;
        if (progress.Pass < 1) return Math.Min(99, (int)(100 * ofDisks * DoneOf(progress.Disks)));
        double ofThisPass = progress.PagesInPass > 0 ? Math.Clamp((double)progress.PagesDone / progress.PagesInPass, 0, 1) : 1;
        double remaining = Math.Pow(LeftByPass, progress.Pass - 1) * (1 - (1 - LeftByPass) * ofThisPass);
        return Math.Min(99, (int)(100 * (ofDisks + (1 - ofDisks) * (1 - remaining))));
    }

    private static double DoneOf(IReadOnlyList<Engine.Migration.VmDiskProgress> disks)
    {
        long size = disks.Sum(disk => disk.SizeBytes);
        return size == 0 ? 0 : Math.Clamp((double)disks.Sum(disk => disk.DoneBytes) / size, 0, 1);
    }

    private static string Describe(MigrationStatus status)
    {
        MigrationProgress progress = status.Progress;
        if (status.State == Engine.Migration.MigrationState.CopyingDisks) return DescribeDisks(progress.Disks);
        if (progress.Pass < 1) return status.State.ToString();
        if (status.State == Engine.Migration.MigrationState.Postcopy)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"{status.State}, the VM runs on {status.DestinationHostName}: "
                + $"{(progress.PagesMissing << GuestMemory.PageShift) >> 20} MiB missing there, "
                + $"{progress.BytesPerSecond / (1 << 20):F0} MiB/s");
        }

        string slowed = progress.VcpuShare is > 0 and < 1
            ? string.Create(CultureInfo.InvariantCulture, $", guest slowed to {progress.VcpuShare:P0}")
            : "";
        if (progress.WriteTrace is { FaultDelay.Ticks: > 0 } trace)
        {
            slowed += string.Create(CultureInfo.InvariantCulture, $", first writes held back {trace.FaultDelay.TotalMilliseconds:F1} ms");
        }

        return string.Create(CultureInfo.InvariantCulture,
            $"{status.State}, pass {progress.Pass}: {progress.BytesSent >> 20} MiB sent, "
            + $"{progress.BytesPerSecond / (1 << 20):F0} MiB/s{slowed}");
    }

    private static string DescribeDisks(IReadOnlyList<Engine.Migration.VmDiskProgress> disks) => string.Create(CultureInfo.InvariantCulture,
        $"Disks: {disks.Sum(disk => disk.DoneBytes) >> 20} of {disks.Sum(disk => disk.SizeBytes) >> 20} MiB, "
        + $"{disks.Sum(disk => disk.MirroredBytes) >> 20} MiB mirrored, {disks.Sum(disk => disk.BytesPerSecond) >> 20} MiB/s");
}
