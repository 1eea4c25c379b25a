using System.Globalization;
using System.Management.Automation;
using VmMigration.Engine.Disks;

namespace VmMigration.Cmdlets;

/// <summary>Turns the status of a disk transfer into what PowerShell's progress bar shows.</summary>
internal static class DiskTransferProgressRecord
{
    public static ProgressRecord Create(DiskTransferStatus status)
    {
        var record = new ProgressRecord(
            // Several transfers are shown beside each other; the same one always in the same line.
            status.Id.GetHashCode() & int.MaxValue,
            $"Copying {Path.GetFileName(status.SourcePath)} from {status.SourceHostName} to {status.DestinationHostName}",
            Describe(status))
        {
            PercentComplete = PercentOf(status),
            RecordType = status.HasEnded ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        };
        if (status is { State: Engine.Disks.DiskTransferState.Transferring, BytesPerSecond: > 0 })
        {
            record.SecondsRemaining = (int)Math.Min(int.MaxValue, (status.SizeBytes - status.DoneBytes) / status.BytesPerSecond);
        }

        return record;
    }

    /// <summary>How much is done, 0 to 100; 100 only where the disk is complete.</summary>
    public static int PercentOf(DiskTransferStatus status)
    {
        if (status.State == Engine.Disks.DiskTransferState.Completed) return 100;
        return status.SizeBytes == 0 ? 0 : Math.Clamp((int)(100.0 * status.DoneBytes / status.SizeBytes), 0, 99);
    }

    private static string Describe(DiskTransferStatus status)
    {
        if (status.State == Engine.Disks.DiskTransferState.Setup) return status.State.ToString();
        string begun = status.Resumption.Kind == Engine.Disks.DiskResumptionKind.Fresh ? "" : $", {DiskResumption.From(status.Resumption)}";
        return string.Create(CultureInfo.InvariantCulture,
            $"{status.State}: {status.DoneBytes >> 20} of {status.SizeBytes >> 20} MiB, {status.SentBytes >> 20} MiB sent, "
            + $"{status.BytesPerSecond >> 20} MiB/s{begun}");
    }
}
