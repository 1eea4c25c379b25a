using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>A snapshot of a host. Serializable.</summary>
public sealed record HostDescription
{
    /// <summary>Name of the host.</summary>
    public required string Name { get; init; }

    /// <summary>Name of the machine.</summary>
    public required string MachineName { get; init; }

    /// <summary>Logical processors of the machine.</summary>
    public required int ProcessorCount { get; init; }

    /// <summary>Memory of the machine, in bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Memory a new VM could use, in bytes.</summary>
    public required long AvailableMemoryBytes { get; init; }

    /// <summary>Where the host keeps its journal, logs and sockets.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Directory that holds the host's disks; relative paths of disks start there.</summary>
    public string DatastoreDirectory { get; init; } = "";

    /// <summary>Address and port migrations arrive on.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Version of the program that serves the host, as in <c>1.2.3</c>.</summary>
    public string EngineVersion { get; init; } = Engine.EngineVersion.Present;

    /// <summary>What the host demands of the connections that carry VMs on the address of its <see cref="Endpoint"/>.</summary>
    public LinkSecurity LinkSecurity { get; init; } = LinkSecurity.Plain;

    /// <summary>What it demands of those that leave the machine or go over a mobility path: never less.</summary>
    public LinkSecurity NetworkLinkSecurity { get; init; } = LinkSecurity.Plain;

    /// <summary>Addresses of the machine that mobility paths can be built on.</summary>
    public IReadOnlyList<string> PathAddresses { get; init; } = [];

    /// <summary>Per kind of mobility path: null where this host can take part in one, else why not and what to install.</summary>
    public IReadOnlyDictionary<MobilityPathKind, string?> Paths { get; init; } = new Dictionary<MobilityPathKind, string?>();

    /// <summary>Why this host cannot be the gateway of a Nat path, and what to change; null where it can.</summary>
    public string? PathGatewayRefused { get; init; }

    /// <summary>Per hypervisor: null where VMs can run, else why not and what to install.</summary>
    public required IReadOnlyDictionary<HypervisorKind, string?> Hypervisors { get; init; }
}
