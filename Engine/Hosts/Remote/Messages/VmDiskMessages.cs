using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Disks that move with their VM as messages and back.</summary>
internal static class VmDiskMessages
{
    public static Contract.VmDiskProgress ToMessage(this VmDiskProgress record)
    {
        var message = new Contract.VmDiskProgress
        {
            Name = record.Name,
            SourcePath = record.SourcePath,
            Phase = MessageFields.ToMessage<Contract.VmDiskPhase>(record.Phase),
            SizeBytes = record.SizeBytes,
            DoneBytes = record.DoneBytes,
            SentBytes = record.SentBytes,
            MirroredBytes = record.MirroredBytes,
            BytesPerSecond = record.BytesPerSecond,
            Resumption = record.Resumption?.ToMessage(),
        };
        if (record.DestinationPath is not null) message.DestinationPath = record.DestinationPath;
        return message;
    }

    public static VmDiskProgress ToRecord(this Contract.VmDiskProgress message) => new(
        message.Name, message.SourcePath, message.HasDestinationPath ? message.DestinationPath : null,
        MessageFields.ToEnum<VmDiskPhase>(message.Phase, "VmDiskProgress.phase"),
        message.SizeBytes, message.DoneBytes, message.SentBytes, message.MirroredBytes, message.BytesPerSecond)
    {
        Resumption = message.Resumption?.ToRecord(),
    };

    public static Contract.VmDiskResult ToMessage(this VmDiskResult record)
    {
        var message = new Contract.VmDiskResult
        {
            Name = record.Name,
            DestinationPath = record.DestinationPath,
            SizeBytes = record.SizeBytes,
            BytesSent = record.BytesSent,
            BytesResumed = record.BytesResumed,
            Resumption = record.Resumption?.ToMessage(),
            CopyTime = MessageFields.ToMessage(record.CopyTime),
            BytesMirrored = record.BytesMirrored,
            MirrorTime = MessageFields.ToMessage(record.MirrorTime),
        };
        message.FilesLeftAtSource.Add(record.FilesLeftAtSource);
        return message;
    }

    public static VmDiskResult ToRecord(this Contract.VmDiskResult message) => new()
    {
        Name = message.Name,
        DestinationPath = message.DestinationPath,
        SizeBytes = message.SizeBytes,
        BytesSent = message.BytesSent,
        BytesResumed = message.BytesResumed,
        Resumption = message.Resumption?.ToRecord(),
        CopyTime = MessageFields.ToTimeSpan(message.CopyTime, "VmDiskResult.copy_time"),
        BytesMirrored = message.BytesMirrored,
        MirrorTime = MessageFields.ToTimeSpan(message.MirrorTime, "VmDiskResult.mirror_time"),
        FilesLeftAtSource = [.. message.FilesLeftAtSource],
    };
}
