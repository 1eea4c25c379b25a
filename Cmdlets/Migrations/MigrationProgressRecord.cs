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
        if (progress.Pass < 1) return 0;
        double ofThisPass = progress.PagesInPass > 0 ? Math.Clamp((double)progress.PagesDone / progress.PagesInPass, 0, 1) : 1;
        double remaining = Math.Pow(LeftByPass, progress.Pass - 1) * (1 - (1 - LeftByPass) * ofThisPass);
        return Math.Min(99, (int)(100 * (1 - remaining)));
    }

    private static string Describe(MigrationStatus status)
    {
        MigrationProgress progress = status.Progress;
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
}
