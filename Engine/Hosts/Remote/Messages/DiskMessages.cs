using Google.Protobuf.WellKnownTypes;
using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Disks and what is left of them as messages and back.</summary>
internal static class DiskMessages
{
    public static Contract.DiskDescription ToMessage(this DiskDescription record)
    {
        var message = new Contract.DiskDescription
        {
            HostName = record.HostName,
            Path = record.Path,
            Format = MessageFields.ToMessage<Contract.DiskFormat>(record.Format),
            VirtualSizeBytes = record.VirtualSizeBytes,
            AllocatedBytes = record.AllocatedBytes,
            Generation = record.Generation.ToMessage(),
            BackingFormat = ToMessage(record.BackingFormat),
            IsBeingWritten = record.IsBeingWritten,
        };
        if (record.BackingPath is not null) message.BackingPath = record.BackingPath;
        return message;
    }

    public static DiskDescription ToRecord(this Contract.DiskDescription message) => new()
    {
        HostName = MessageFields.RequiredText(message.HostName, "DiskDescription.host_name"),
        Path = MessageFields.RequiredText(message.Path, "DiskDescription.path"),
        Format = MessageFields.ToEnum<DiskFormat>(message.Format, "DiskDescription.format"),
        VirtualSizeBytes = message.VirtualSizeBytes,
        AllocatedBytes = message.AllocatedBytes,
        Generation = MessageFields.Required(message.Generation, "DiskDescription.generation").ToRecord(),
        BackingPath = message.HasBackingPath ? message.BackingPath : null,
        BackingFormat = ToOptionalFormat(message.BackingFormat, "DiskDescription.backing_format"),
        IsBeingWritten = message.IsBeingWritten,
    };

    public static Contract.DiskGeneration ToMessage(this DiskGeneration record) => new()
    {
        SizeBytes = record.SizeBytes,
        DeviceId = record.DeviceId,
        Inode = record.Inode,
        ModifiedNanoseconds = record.ModifiedNanoseconds,
        ChangedNanoseconds = record.ChangedNanoseconds,
    };

    public static DiskGeneration ToRecord(this Contract.DiskGeneration message) => new(
        message.SizeBytes, message.DeviceId, message.Inode, message.ModifiedNanoseconds, message.ChangedNanoseconds);

    public static Contract.DiskResumption ToMessage(this DiskResumption record)
    {
        var message = new Contract.DiskResumption
        {
            Kind = MessageFields.ToMessage<Contract.DiskResumptionKind>(record.Kind),
            OffsetBytes = record.OffsetBytes,
        };
        if (record.FragmentId is { } fragmentId) message.FragmentId = fragmentId.ToString();
        if (record.Reason is not null) message.Reason = record.Reason;
        return message;
    }

    public static DiskResumption ToRecord(this Contract.DiskResumption message) => new(
        MessageFields.ToEnum<DiskResumptionKind>(message.Kind, "DiskResumption.kind"),
        message.HasFragmentId ? MessageFields.ToGuid(message.FragmentId, "DiskResumption.fragment_id") : null,
        message.OffsetBytes,
        message.HasReason ? message.Reason : null);

    public static Contract.DiskFragment ToMessage(this DiskFragment record) => new()
    {
        Id = record.Id.ToString(),
        Source = record.Source.ToMessage(),
        DestinationPath = record.DestinationPath,
        DestinationFormat = ToMessage(record.DestinationFormat),
        Path = record.Path,
        SizeBytes = record.SizeBytes,
        OffsetBytes = record.OffsetBytes,
        AllocatedBytes = record.AllocatedBytes,
        Digest = record.Digest,
        StoredAt = Timestamp.FromDateTimeOffset(record.StoredAt),
        Reason = MessageFields.ToMessage<Contract.FailureReason>(record.Reason),
        Message = record.Message,
    };

    public static DiskFragment ToRecord(this Contract.DiskFragment message) => new()
    {
        Id = MessageFields.ToGuid(message.Id, "DiskFragment.id"),
        Source = MessageFields.Required(message.Source, "DiskFragment.source").ToRecord(),
        DestinationPath = MessageFields.RequiredText(message.DestinationPath, "DiskFragment.destination_path"),
        DestinationFormat = ToOptionalFormat(message.DestinationFormat, "DiskFragment.destination_format"),
        Path = MessageFields.RequiredText(message.Path, "DiskFragment.path"),
        SizeBytes = message.SizeBytes,
        OffsetBytes = message.OffsetBytes,
        AllocatedBytes = message.AllocatedBytes,
        Digest = message.Digest,
        StoredAt = MessageFields.ToTime(message.StoredAt, "DiskFragment.stored_at"),
        Reason = MessageFields.ToEnum<MigrationErrorReason>(message.Reason, "DiskFragment.reason"),
        Message = message.Message,
    };

    public static Contract.VmDisk ToMessage(this VmDisk record)
    {
        var message = new Contract.VmDisk
        {
            Name = record.Name,
            Path = record.Path,
            Image = record.Image?.ToMessage(),
            ReadOnly = record.ReadOnly,
        };
        if (record.Refused is not null) message.Refused = record.Refused;
        return message;
    }

    public static VmDisk ToRecord(this Contract.VmDisk message) => new()
    {
        Name = MessageFields.RequiredText(message.Name, "VmDisk.name"),
        Path = message.Path,
        Image = message.Image?.ToRecord(),
        ReadOnly = message.ReadOnly,
        Refused = message.HasRefused ? message.Refused : null,
    };

    /// <summary>The format of a message; none is UNSPECIFIED.</summary>
    public static Contract.DiskFormat ToMessage(DiskFormat? format) => MessageFields.ToMessage<Contract.DiskFormat>(format ?? DiskFormat.Invalid);

    /// <summary>A format, or null for UNSPECIFIED.</summary>
    public static DiskFormat? ToOptionalFormat(Contract.DiskFormat format, string field) =>
        format == Contract.DiskFormat.Unspecified ? null : MessageFields.ToEnum<DiskFormat>(format, field);

    /// <summary>A compression; UNSPECIFIED is none.</summary>
    public static DiskCompression ToCompression(Contract.DiskCompression compression, string field) =>
        compression == Contract.DiskCompression.Unspecified ? DiskCompression.None : MessageFields.ToEnum<DiskCompression>(compression, field);
}
