using Google.Protobuf.WellKnownTypes;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Ends of mobility paths as messages and back.</summary>
internal static class PathMessages
{
    public static Contract.MobilityPathRequest ToMessage(this MobilityPathRequest record)
    {
        var message = new Contract.MobilityPathRequest
        {
            PathId = record.PathId.ToString(),
            Kind = MessageFields.ToMessage<Contract.MobilityPathKind>(record.Kind),
            Role = MessageFields.ToMessage<Contract.MobilityPathRole>(record.Role),
            SourceHostName = record.SourceHostName,
            DestinationHostName = record.DestinationHostName,
            SourceVirtualAddress = record.SourceVirtualAddress,
            DestinationVirtualAddress = record.DestinationVirtualAddress,
            DataPort = record.DataPort,
            NetworkIdentifier = record.NetworkIdentifier,
        };
        if (record.GatewayHostName is not null) message.GatewayHostName = record.GatewayHostName;
        if (record.LocalAddress is not null) message.LocalAddress = record.LocalAddress;
        if (record.RemoteAddress is not null) message.RemoteAddress = record.RemoteAddress;
        if (record.SourceAddress is not null) message.SourceAddress = record.SourceAddress;
        if (record.DestinationAddress is not null) message.DestinationAddress = record.DestinationAddress;
        return message;
    }

    public static MobilityPathRequest ToRecord(this Contract.MobilityPathRequest message) => new()
    {
        PathId = MessageFields.ToGuid(message.PathId, "MobilityPathRequest.path_id"),
        Kind = MessageFields.ToEnum<MobilityPathKind>(message.Kind, "MobilityPathRequest.kind"),
        Role = MessageFields.ToEnum<MobilityPathRole>(message.Role, "MobilityPathRequest.role"),
        SourceHostName = message.SourceHostName,
        DestinationHostName = message.DestinationHostName,
        GatewayHostName = message.HasGatewayHostName ? message.GatewayHostName : null,
        SourceVirtualAddress = MessageFields.RequiredText(message.SourceVirtualAddress, "MobilityPathRequest.source_virtual_address"),
        DestinationVirtualAddress =
            MessageFields.RequiredText(message.DestinationVirtualAddress, "MobilityPathRequest.destination_virtual_address"),
        DataPort = message.DataPort,
        NetworkIdentifier = message.NetworkIdentifier,
        LocalAddress = message.HasLocalAddress ? message.LocalAddress : null,
        RemoteAddress = message.HasRemoteAddress ? message.RemoteAddress : null,
        SourceAddress = message.HasSourceAddress ? message.SourceAddress : null,
        DestinationAddress = message.HasDestinationAddress ? message.DestinationAddress : null,
    };

    public static Contract.MobilityPathEnd ToMessage(this MobilityPathEnd record)
    {
        var message = new Contract.MobilityPathEnd
        {
            Request = record.Request.ToMessage(),
            State = MessageFields.ToMessage<Contract.MobilityPathState>(record.State),
            MadeAt = Timestamp.FromDateTimeOffset(record.MadeAt),
            SetupTime = MessageFields.ToMessage(record.SetupTime),
        };
        if (record.MigrationId is { } migrationId) message.MigrationId = migrationId.ToString();
        if (record.Failure is not null) message.Failure = record.Failure;
        message.Resources.Add(record.Resources);
        return message;
    }

    public static MobilityPathEnd ToRecord(this Contract.MobilityPathEnd message) => new(
        MessageFields.Required(message.Request, "MobilityPathEnd.request").ToRecord(),
        MessageFields.ToEnum<MobilityPathState>(message.State, "MobilityPathEnd.state"),
        MessageFields.ToTime(message.MadeAt, "MobilityPathEnd.made_at"),
        MessageFields.ToTimeSpan(message.SetupTime, "MobilityPathEnd.setup_time"))
    {
        MigrationId = message.HasMigrationId ? MessageFields.ToGuid(message.MigrationId, "MobilityPathEnd.migration_id") : null,
        Resources = [.. message.Resources],
        Failure = message.HasFailure ? message.Failure : null,
    };
}
