using Google.Protobuf;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>What precedes a migration, at its destination and at its source, as messages and back.</summary>
internal static class IncomingMessages
{
    public static Contract.IncomingRequest ToMessage(this IncomingRequest record)
    {
        var message = new Contract.IncomingRequest
        {
            MigrationId = record.MigrationId.ToString(),
            Specification = record.Specification.ToMessage(),
            Contents = MessageFields.ToMessage<Contract.StateContents>(record.Contents),
            Options = record.Options.ToMessage(),
            SourceHostName = record.SourceHostName,
            PoisonedPageCount = record.PoisonedPageCount,
        };
        if (record.PathId is { } pathId) message.PathId = pathId.ToString();
        message.Disks.Add(record.Disks.Select(disk => disk.ToMessage()));
        return message;
    }

    public static IncomingRequest ToRecord(this Contract.IncomingRequest message) => new(
        MessageFields.ToGuid(message.MigrationId, "IncomingRequest.migration_id"),
        MessageFields.Required(message.Specification, "IncomingRequest.specification").ToRecord(),
        MessageFields.ToEnum<StateContents>(message.Contents, "IncomingRequest.contents"),
        MessageFields.Required(message.Options, "IncomingRequest.options").ToRecord(),
        message.SourceHostName)
    {
        PoisonedPageCount = message.PoisonedPageCount,
        PathId = message.HasPathId ? MessageFields.ToGuid(message.PathId, "IncomingRequest.path_id") : null,
        Disks = [.. message.Disks.Select(disk => disk.ToRecord())],
    };

    public static Contract.IncomingOffer ToMessage(this IncomingOffer record)
    {
        var message = new Contract.IncomingOffer
        {
            MigrationId = record.MigrationId.ToString(),
            DestinationHostName = record.DestinationHostName,
            Address = record.Address,
            Port = record.Port,
            Ticket = ByteString.CopyFrom(record.Ticket),
            Security = MessageFields.ToMessage<Contract.LinkSecurity>(record.Security),
        };
        if (record.CertificateHash is not null) message.CertificateHash = ByteString.CopyFrom(record.CertificateHash);
        if (record.PathId is { } pathId) message.PathId = pathId.ToString();
        return message;
    }

    public static IncomingOffer ToRecord(this Contract.IncomingOffer message) => new(
        MessageFields.ToGuid(message.MigrationId, "IncomingOffer.migration_id"),
        MessageFields.RequiredText(message.DestinationHostName, "IncomingOffer.destination_host_name"),
        MessageFields.RequiredText(message.Address, "IncomingOffer.address"),
        message.Port,
        message.Ticket.ToByteArray())
    {
        // Never taken to be plain where it is missing: security must not be lost on the way.
        Security = MessageFields.ToEnum<LinkSecurity>(message.Security, "IncomingOffer.security"),
        CertificateHash = message.HasCertificateHash ? message.CertificateHash.ToByteArray() : null,
        PathId = message.HasPathId ? MessageFields.ToGuid(message.PathId, "IncomingOffer.path_id") : null,
    };

    public static Contract.PreflightFinding ToMessage(this PreflightFinding record)
    {
        var message = new Contract.PreflightFinding
        {
            Severity = MessageFields.ToMessage<Contract.PreflightSeverity>(record.Severity),
            Check = record.Check,
            Message = record.Message,
        };
        if (record.RecommendedAction is not null) message.RecommendedAction = record.RecommendedAction;
        return message;
    }

    public static PreflightFinding ToRecord(this Contract.PreflightFinding message) => new(
        MessageFields.ToEnum<PreflightSeverity>(message.Severity, "PreflightFinding.severity"),
        message.Check, message.Message, message.HasRecommendedAction ? message.RecommendedAction : null);

    public static Contract.MigrationRequest ToMessage(this MigrationRequest record) => new()
    {
        VmId = record.VmId.ToString(),
        Offer = record.Offer.ToMessage(),
        Contents = MessageFields.ToMessage<Contract.StateContents>(record.Contents),
        Options = record.Options.ToMessage(),
        PathSetup = record.PathSetup is { } pathSetup ? MessageFields.ToMessage(pathSetup) : null,
    };

    public static MigrationRequest ToRecord(this Contract.MigrationRequest message) => new(
        MessageFields.ToGuid(message.VmId, "MigrationRequest.vm_id"),
        MessageFields.Required(message.Offer, "MigrationRequest.offer").ToRecord(),
        MessageFields.ToEnum<StateContents>(message.Contents, "MigrationRequest.contents"),
        MessageFields.Required(message.Options, "MigrationRequest.options").ToRecord())
    {
        PathSetup = MessageFields.ToOptionalTimeSpan(message.PathSetup, "MigrationRequest.path_setup"),
    };
}
