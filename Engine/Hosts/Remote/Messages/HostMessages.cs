using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Descriptions of hosts as messages and back.</summary>
internal static class HostMessages
{
    public static Contract.HostDescription ToMessage(this HostDescription record)
    {
        var message = new Contract.HostDescription
        {
            Name = record.Name,
            MachineName = record.MachineName,
            ProcessorCount = record.ProcessorCount,
            MemoryBytes = record.MemoryBytes,
            AvailableMemoryBytes = record.AvailableMemoryBytes,
            StateDirectory = record.StateDirectory,
            DatastoreDirectory = record.DatastoreDirectory,
            Endpoint = record.Endpoint,
            EngineVersion = record.EngineVersion,
            LinkSecurity = MessageFields.ToMessage<Contract.LinkSecurity>(record.LinkSecurity),
            NetworkLinkSecurity = MessageFields.ToMessage<Contract.LinkSecurity>(record.NetworkLinkSecurity),
        };
        if (record.PathGatewayRefused is not null) message.PathGatewayRefused = record.PathGatewayRefused;
        message.PathAddresses.Add(record.PathAddresses);
        message.Paths.Add(record.Paths.Select(path => ToMessage(path.Key, path.Value)));
        message.Hypervisors.Add(record.Hypervisors.Select(hypervisor => ToMessage(hypervisor.Key, hypervisor.Value)));
        return message;
    }

    public static HostDescription ToRecord(this Contract.HostDescription message) => new()
    {
        Name = MessageFields.RequiredText(message.Name, "HostDescription.name"),
        MachineName = message.MachineName,
        ProcessorCount = message.ProcessorCount,
        MemoryBytes = message.MemoryBytes,
        AvailableMemoryBytes = message.AvailableMemoryBytes,
        StateDirectory = message.StateDirectory,
        DatastoreDirectory = message.DatastoreDirectory,
        Endpoint = message.Endpoint,
        EngineVersion = message.EngineVersion,
        LinkSecurity = MessageFields.ToEnum<LinkSecurity>(message.LinkSecurity, "HostDescription.link_security"),
        NetworkLinkSecurity = MessageFields.ToEnum<LinkSecurity>(message.NetworkLinkSecurity, "HostDescription.network_link_security"),
        PathAddresses = [.. message.PathAddresses],
        Paths = message.Paths.DistinctBy(path => path.Kind).ToDictionary(
            path => MessageFields.ToEnum<MobilityPathKind>(path.Kind, "MobilityPathAvailability.kind"),
            path => path.HasObstacle ? path.Obstacle : null),
        PathGatewayRefused = message.HasPathGatewayRefused ? message.PathGatewayRefused : null,
        Hypervisors = message.Hypervisors.DistinctBy(hypervisor => hypervisor.Hypervisor).ToDictionary(
            hypervisor => MessageFields.ToEnum<HypervisorKind>(hypervisor.Hypervisor, "HypervisorAvailability.hypervisor"),
            hypervisor => hypervisor.HasObstacle ? hypervisor.Obstacle : null),
    };

    private static Contract.MobilityPathAvailability ToMessage(MobilityPathKind kind, string? obstacle)
    {
        var message = new Contract.MobilityPathAvailability { Kind = MessageFields.ToMessage<Contract.MobilityPathKind>(kind) };
        if (obstacle is not null) message.Obstacle = obstacle;
        return message;
    }

    private static Contract.HypervisorAvailability ToMessage(HypervisorKind kind, string? obstacle)
    {
        var message = new Contract.HypervisorAvailability { Hypervisor = MessageFields.ToMessage<Contract.HypervisorKind>(kind) };
        if (obstacle is not null) message.Obstacle = obstacle;
        return message;
    }
}
