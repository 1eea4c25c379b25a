using Google.Protobuf.WellKnownTypes;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Where migrations stand as messages and back.</summary>
internal static class MigrationMessages
{
    public static Contract.MigrationStatus ToMessage(this MigrationStatus record)
    {
        var message = new Contract.MigrationStatus
        {
            Id = record.Id.ToString(),
            VmId = record.VmId.ToString(),
            VmName = record.VmName,
            SourceHostName = record.SourceHostName,
            DestinationHostName = record.DestinationHostName,
            LinkSecurity = MessageFields.ToMessage<Contract.LinkSecurity>(record.LinkSecurity),
            State = MessageFields.ToMessage<Contract.MigrationState>(record.State),
            StartedAt = Timestamp.FromDateTimeOffset(record.StartedAt),
            EndedAt = record.EndedAt is { } endedAt ? Timestamp.FromDateTimeOffset(endedAt) : null,
            Progress = record.Progress.ToMessage(),
            Result = record.Result?.ToMessage(),
            ErrorReason = MessageFields.ToMessage<Contract.FailureReason>(record.ErrorReason),
        };
        if (record.ErrorMessage is not null) message.ErrorMessage = record.ErrorMessage;
        if (record.RecommendedAction is not null) message.RecommendedAction = record.RecommendedAction;
        return message;
    }

    public static MigrationStatus ToRecord(this Contract.MigrationStatus message) => new()
    {
        Id = MessageFields.ToGuid(message.Id, "MigrationStatus.id"),
        VmId = MessageFields.ToGuid(message.VmId, "MigrationStatus.vm_id"),
        VmName = message.VmName,
        SourceHostName = message.SourceHostName,
        DestinationHostName = message.DestinationHostName,
        LinkSecurity = MessageFields.ToEnum<LinkSecurity>(message.LinkSecurity, "MigrationStatus.link_security"),
        State = MessageFields.ToEnum<MigrationState>(message.State, "MigrationStatus.state"),
        StartedAt = MessageFields.ToTime(message.StartedAt, "MigrationStatus.started_at"),
        EndedAt = MessageFields.ToOptionalTime(message.EndedAt, "MigrationStatus.ended_at"),
        Progress = MessageFields.Required(message.Progress, "MigrationStatus.progress").ToRecord(),
        Result = message.Result?.ToRecord(),
        ErrorReason = MessageFields.ToEnumOrInvalid<MigrationErrorReason>(message.ErrorReason, "MigrationStatus.error_reason"),
        ErrorMessage = message.HasErrorMessage ? message.ErrorMessage : null,
        RecommendedAction = message.HasRecommendedAction ? message.RecommendedAction : null,
    };

    public static Contract.MigrationProgress ToMessage(this MigrationProgress record)
    {
        var message = new Contract.MigrationProgress
        {
            Pass = record.Pass,
            PagesDone = record.PagesDone,
            PagesInPass = record.PagesInPass,
            BytesSent = record.BytesSent,
            BytesPerSecond = record.BytesPerSecond,
            DirtyBytesPerSecond = record.DirtyBytesPerSecond,
            VcpuShare = record.VcpuShare,
            WriteTrace = record.WriteTrace?.ToMessage(),
            PagesMissing = record.PagesMissing,
        };
        message.Passes.Add(record.Passes.Select(pass => pass.ToMessage()));
        message.Disks.Add(record.Disks.Select(disk => disk.ToMessage()));
        return message;
    }

    public static MigrationProgress ToRecord(this Contract.MigrationProgress message) => new(
        message.Pass, message.PagesDone, message.PagesInPass, message.BytesSent, message.BytesPerSecond, message.DirtyBytesPerSecond,
        message.VcpuShare)
    {
        WriteTrace = message.WriteTrace?.ToRecord(),
        Passes = [.. message.Passes.Select(pass => pass.ToRecord())],
        PagesMissing = message.PagesMissing,
        Disks = [.. message.Disks.Select(disk => disk.ToRecord())],
    };

    public static Contract.PassSummary ToMessage(this PassSummary record) => new()
    {
        Number = record.Number,
        PagesToSend = record.PagesToSend,
        PagesData = record.PagesData,
        PagesZero = record.PagesZero,
        BytesSent = record.BytesSent,
        Duration = MessageFields.ToMessage(record.Duration),
        VcpuShare = record.VcpuShare,
        DirtyBytes = record.DirtyBytes,
        PagesUnchanged = record.PagesUnchanged,
        FaultDelay = MessageFields.ToMessage(record.FaultDelay),
    };

    public static PassSummary ToRecord(this Contract.PassSummary message) => new(
        message.Number, message.PagesToSend, message.PagesData, message.PagesZero, message.BytesSent,
        MessageFields.ToTimeSpan(message.Duration, "PassSummary.duration"), message.VcpuShare)
    {
        DirtyBytes = message.DirtyBytes,
        PagesUnchanged = message.PagesUnchanged,
        FaultDelay = MessageFields.ToTimeSpan(message.FaultDelay, "PassSummary.fault_delay"),
    };
}
