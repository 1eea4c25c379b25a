using Google.Protobuf.WellKnownTypes;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Transfers of disks, at their destination and at their source, as messages and back.</summary>
internal static class DiskTransferMessages
{
    public static Contract.DiskTransferOptions ToMessage(this DiskTransferOptions record) => new()
    {
        MaxBytesPerSecond = record.MaxBytesPerSecond,
        Channels = record.Channels,
        Compression = MessageFields.ToMessage<Contract.DiskCompression>(record.Compression),
        DestinationFormat = DiskMessages.ToMessage(record.DestinationFormat),
        Overwrite = record.Overwrite,
        UseFragment = record.UseFragment,
    };

    public static DiskTransferOptions ToRecord(this Contract.DiskTransferOptions message) => new()
    {
        MaxBytesPerSecond = message.MaxBytesPerSecond,
        Channels = message.Channels,
        Compression = DiskMessages.ToCompression(message.Compression, "DiskTransferOptions.compression"),
        DestinationFormat = DiskMessages.ToOptionalFormat(message.DestinationFormat, "DiskTransferOptions.destination_format"),
        Overwrite = message.Overwrite,
        UseFragment = !message.HasUseFragment || message.UseFragment,
    };

    public static Contract.IncomingDiskRequest ToMessage(this IncomingDiskRequest record)
    {
        var message = new Contract.IncomingDiskRequest
        {
            TransferId = record.TransferId.ToString(),
            Source = record.Source.ToMessage(),
            Options = record.Options.ToMessage(),
        };
        if (record.DestinationPath is not null) message.DestinationPath = record.DestinationPath;
        if (record.PathId is { } pathId) message.PathId = pathId.ToString();
        return message;
    }

    public static IncomingDiskRequest ToRecord(this Contract.IncomingDiskRequest message) => new(
        MessageFields.ToGuid(message.TransferId, "IncomingDiskRequest.transfer_id"),
        MessageFields.Required(message.Source, "IncomingDiskRequest.source").ToRecord(),
        message.HasDestinationPath ? message.DestinationPath : null,
        MessageFields.Required(message.Options, "IncomingDiskRequest.options").ToRecord())
    {
        PathId = message.HasPathId ? MessageFields.ToGuid(message.PathId, "IncomingDiskRequest.path_id") : null,
    };

    public static Contract.IncomingDiskOffer ToMessage(this IncomingDiskOffer record) => new()
    {
        Offer = record.Offer.ToMessage(),
        DestinationPath = record.DestinationPath,
        Resumption = record.Resumption.ToMessage(),
    };

    public static IncomingDiskOffer ToRecord(this Contract.IncomingDiskOffer message) => new(
        MessageFields.Required(message.Offer, "IncomingDiskOffer.offer").ToRecord(),
        MessageFields.RequiredText(message.DestinationPath, "IncomingDiskOffer.destination_path"),
        MessageFields.Required(message.Resumption, "IncomingDiskOffer.resumption").ToRecord());

    public static Contract.DiskTransferRequest ToMessage(this DiskTransferRequest record) => new()
    {
        SourcePath = record.SourcePath,
        Offer = record.Offer.ToMessage(),
        Options = record.Options.ToMessage(),
    };

    public static DiskTransferRequest ToRecord(this Contract.DiskTransferRequest message) => new(
        MessageFields.RequiredText(message.SourcePath, "DiskTransferRequest.source_path"),
        MessageFields.Required(message.Offer, "DiskTransferRequest.offer").ToRecord(),
        MessageFields.Required(message.Options, "DiskTransferRequest.options").ToRecord());

    public static Contract.DiskTransferStatus ToMessage(this DiskTransferStatus record)
    {
        var message = new Contract.DiskTransferStatus
        {
            Id = record.Id.ToString(),
            SourceHostName = record.SourceHostName,
            SourcePath = record.SourcePath,
            DestinationHostName = record.DestinationHostName,
            DestinationPath = record.DestinationPath,
            Options = record.Options.ToMessage(),
            LinkSecurity = MessageFields.ToMessage<Contract.LinkSecurity>(record.LinkSecurity),
            State = MessageFields.ToMessage<Contract.DiskTransferState>(record.State),
            Resumption = record.Resumption.ToMessage(),
            StartedAt = Timestamp.FromDateTimeOffset(record.StartedAt),
            EndedAt = record.EndedAt is { } endedAt ? Timestamp.FromDateTimeOffset(endedAt) : null,
            SizeBytes = record.SizeBytes,
            DoneBytes = record.DoneBytes,
            DurableOffsetBytes = record.DurableOffsetBytes,
            SentBytes = record.SentBytes,
            DataBytes = record.DataBytes,
            ZeroBytes = record.ZeroBytes,
            UnchangedBytes = record.UnchangedBytes,
            RepairedBytes = record.RepairedBytes,
            BytesPerSecond = record.BytesPerSecond,
            ErrorReason = MessageFields.ToMessage<Contract.FailureReason>(record.ErrorReason),
        };
        if (record.Digest is not null) message.Digest = record.Digest;
        if (record.FragmentId is { } fragmentId) message.FragmentId = fragmentId.ToString();
        if (record.Notice is not null) message.Notice = record.Notice;
        if (record.ErrorMessage is not null) message.ErrorMessage = record.ErrorMessage;
        if (record.RecommendedAction is not null) message.RecommendedAction = record.RecommendedAction;
        return message;
    }

    public static DiskTransferStatus ToRecord(this Contract.DiskTransferStatus message) => new()
    {
        Id = MessageFields.ToGuid(message.Id, "DiskTransferStatus.id"),
        SourceHostName = message.SourceHostName,
        SourcePath = message.SourcePath,
        DestinationHostName = message.DestinationHostName,
        DestinationPath = message.DestinationPath,
        Options = MessageFields.Required(message.Options, "DiskTransferStatus.options").ToRecord(),
        LinkSecurity = MessageFields.ToEnum<LinkSecurity>(message.LinkSecurity, "DiskTransferStatus.link_security"),
        State = MessageFields.ToEnum<DiskTransferState>(message.State, "DiskTransferStatus.state"),
        Resumption = MessageFields.Required(message.Resumption, "DiskTransferStatus.resumption").ToRecord(),
        StartedAt = MessageFields.ToTime(message.StartedAt, "DiskTransferStatus.started_at"),
        EndedAt = MessageFields.ToOptionalTime(message.EndedAt, "DiskTransferStatus.ended_at"),
        SizeBytes = message.SizeBytes,
        DoneBytes = message.DoneBytes,
        DurableOffsetBytes = message.DurableOffsetBytes,
        SentBytes = message.SentBytes,
        DataBytes = message.DataBytes,
        ZeroBytes = message.ZeroBytes,
        UnchangedBytes = message.UnchangedBytes,
        RepairedBytes = message.RepairedBytes,
        BytesPerSecond = message.BytesPerSecond,
        Digest = message.HasDigest ? message.Digest : null,
        FragmentId = message.HasFragmentId ? MessageFields.ToGuid(message.FragmentId, "DiskTransferStatus.fragment_id") : null,
        Notice = message.HasNotice ? message.Notice : null,
        ErrorReason = MessageFields.ToEnumOrInvalid<MigrationErrorReason>(message.ErrorReason, "DiskTransferStatus.error_reason"),
        ErrorMessage = message.HasErrorMessage ? message.ErrorMessage : null,
        RecommendedAction = message.HasRecommendedAction ? message.RecommendedAction : null,
    };
}
