using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of a host of this session.</summary>
public sealed record MigrationHost
{
    /// <summary>Name of the host.</summary>
    public required string Name { get; init; }

    /// <summary>Where the host is.</summary>
    public HostKind Kind { get; init; } = HostKind.Local;

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

    /// <summary>Where the host's agent is reached; null for a host of this process.</summary>
    public Uri? Uri { get; init; }

    /// <summary>Version of the program that serves the host.</summary>
    public string EngineVersion { get; init; } = "";

    /// <summary>What the host demands of the connections that carry VMs.</summary>
    public LinkSecurity LinkSecurity { get; init; }

    /// <summary>The kinds of mobility path, with what stands in the host's way.</summary>
    public IReadOnlyList<HostPath> Paths { get; init; } = [];

    /// <summary>Addresses of the machine that mobility paths can be built on.</summary>
    public IReadOnlyList<string> PathAddresses { get; init; } = [];

    /// <summary>The hypervisors, with what stands in their way.</summary>
    public required IReadOnlyList<HostHypervisor> Hypervisors { get; init; }

    /// <summary>The host's name, so that the object can stand where a name is expected.</summary>
    public override string ToString() => Name;

    internal static MigrationHost From(IMigrationHost connection, HostDescription host) => new()
    {
        Name = host.Name,
        Kind = connection is RemoteHost ? HostKind.Agent : HostKind.Local,
        Uri = (connection as RemoteHost)?.Uri,
        EngineVersion = host.EngineVersion,
        MachineName = host.MachineName,
        ProcessorCount = host.ProcessorCount,
        MemoryBytes = host.MemoryBytes,
        AvailableMemoryBytes = host.AvailableMemoryBytes,
        StateDirectory = host.StateDirectory,
        DatastoreDirectory = host.DatastoreDirectory,
        Endpoint = host.Endpoint,
        LinkSecurity = (LinkSecurity)host.LinkSecurity,
        Paths = [.. host.Paths
            .OrderBy(entry => entry.Key)
            .Select(entry => new HostPath((MobilityPathKind)entry.Key, entry.Value))],
        PathAddresses = host.PathAddresses,
        Hypervisors = [.. host.Hypervisors
            .OrderBy(entry => entry.Key)
            .Select(entry => new HostHypervisor((HypervisorKind)entry.Key, entry.Value))],
    };
}
