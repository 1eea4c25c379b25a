using System.Net;
using Serilog.Core;
using Serilog.Events;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>How a host on this machine is set up.</summary>
public sealed record LocalHostOptions
{
    /// <summary>Name of the host: 1 to 64 of <c>A-Z a-z 0-9 . _ -</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Where the host keeps its journal, logs and sockets; null makes a directory under the system's temporary one that goes with the host.
    /// A host made again on the same directory finds its VMs again.
    /// </summary>
    public string? StateDirectory { get; init; }

    /// <summary>Directory of a memory file system for guest RAM files; null takes <c>/dev/shm</c>.</summary>
    public string? RamDirectory { get; init; }

    /// <summary>
    /// Directory that holds the host's disks: relative paths start there, and what arrives without a path goes there. Null takes
    /// <c>disks</c> in the state directory.
    /// </summary>
    public string? DatastoreDirectory { get; init; }

    /// <summary>How long a fragment of a disk that did not arrive whole is kept.</summary>
    public TimeSpan FragmentAgeLimit { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Bytes all fragments together may take on their file systems; the oldest go first. 0 means no limit.</summary>
    public long FragmentBytesLimit { get; init; }

    /// <summary>Address to accept migrations on.</summary>
    public IPAddress ListenAddress { get; init; } = IPAddress.Loopback;

    /// <summary>Port to accept migrations on; 0 takes a free one.</summary>
    public int ListenPort { get; init; }

    /// <summary>
    /// What the host demands of the connections that carry VMs, arriving and leaving; null demands TLS unless
    /// <see cref="ListenAddress"/> is a loopback address.
    /// </summary>
    public LinkSecurity? LinkSecurity { get; init; }

    /// <summary>
    /// Addresses of this machine that mobility paths may be built on, the preferred one first; empty takes those of its network interfaces
    /// that are up, without loopback and link-local ones.
    /// </summary>
    public IReadOnlyList<IPAddress> PathAddresses { get; init; } = [];

    /// <summary>
    /// Whether this host may be the gateway of Nat paths. While it is one it forwards IPv4 packets
    /// (<c>net.ipv4.ip_forward</c>, ip-sysctl.txt); where that was off, it is off again after the last of them.
    /// </summary>
    public bool PathGateway { get; init; }

    /// <summary>How long the end of a mobility path waits for an operation before it is removed.</summary>
    public TimeSpan PathUnusedLimit { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a gateway's end of a mobility path stays without a packet of its hosts, which send one every few seconds.</summary>
    public TimeSpan PathGatewayIdleLimit { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The network the host is in: what it listens on, connects from and builds paths on; null takes that of the process.</summary>
    internal PathNetwork? Network { get; init; }

    /// <summary>How long a guest may take to follow a request to shut down.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What of the host's events goes to its log, from this level on.</summary>
    internal LogEventLevel LogLevel { get; init; } = LogEventLevel.Debug;

    /// <summary>Where the host's events go besides its log file, of all levels; null for nowhere.</summary>
    internal ILogEventSink? LogSink { get; init; }
}
