using System.Text.Json.Nodes;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;
using VmMigration.Functional.Tests.HostAgent;
using VmMigration.Functional.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>
/// An agent as a process of its own in each network of a lab, controlled over unix sockets: those lie in the file system and so in no
/// network. A Linux guest can be booted at the source.
/// </summary>
internal sealed class LabAgents : IAsyncDisposable
{
    private const long MiB = 1 << 20;

    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(2);

    private readonly AgentLab agents;
    private readonly Dictionary<AgentProcess, RemoteHost> hosts = [];
    private readonly Dictionary<NetworkNamespace, string> before = [];

    private LabAgents(NetworkLab network, AgentLab agents)
    {
        Network = network;
        this.agents = agents;
        SourceAgent = Add("a", network.Source, NetworkLab.SourceAddress);
        DestinationAgent = Add("b", network.Destination, NetworkLab.DestinationAddress);
        GatewayAgent = Add("gw", network.Gateway, NetworkLab.GatewayAddressOfSource, NetworkLab.GatewayAddressOfDestination);
    }

    public NetworkLab Network { get; }

    public AgentProcess SourceAgent { get; }

    public AgentProcess DestinationAgent { get; }

    public AgentProcess GatewayAgent { get; }

    public IMigrationHost Source => hosts[SourceAgent];

    public IMigrationHost Destination => hosts[DestinationAgent];

    public IMigrationHost Gateway => hosts[GatewayAgent];

    /// <summary>Makes the networks, starts the agents and remembers what the networks look like then.</summary>
    public static async Task<LabAgents> StartAsync(MobilityPathKind kind, CancellationToken cancellationToken)
    {
        // A gateway of Nat paths is what leads from one side to the other: without a path nothing does.
        NetworkLab network = await NetworkLab.CreateAsync(routed: kind != MobilityPathKind.Nat, cancellationToken);
        var lab = new LabAgents(network, await AgentLab.CreateAsync());
        try
        {
            foreach (NetworkNamespace part in new[] { network.Source, network.Gateway, network.Destination })
            {
                lab.before[part] = await NetworkSnapshot.TakeAsync(part, cancellationToken);
            }

            await Task.WhenAll(
                lab.StartAsync(lab.SourceAgent, cancellationToken), lab.StartAsync(lab.DestinationAgent, cancellationToken),
                lab.StartAsync(lab.GatewayAgent, cancellationToken));
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>The gateway, for a kind that needs one.</summary>
    public IMigrationHost? GatewayOf(MobilityPathKind kind) => kind == MobilityPathKind.Nat ? Gateway : null;

    /// <summary>The host that an agent serves.</summary>
    public IMigrationHost HostOf(AgentProcess agent) => hosts[agent];

    /// <summary>Starts an agent, again after it was killed, and connects to it.</summary>
    public async Task StartAsync(AgentProcess agent, CancellationToken cancellationToken)
    {
        await agent.StartAsync(cancellationToken);
        RemoteHost connected = await RemoteHost.ConnectAsync(new() { Uri = new($"unix://{agent.UnixSocketPath}") }, cancellationToken);
        lock (hosts) hosts[agent] = connected;
    }

    /// <summary>Ends an agent at once, as a crash does.</summary>
    public async Task KillAsync(AgentProcess agent)
    {
        await agent.KillAsync();
        await hosts[agent].DisposeAsync();
    }

    /// <summary>Boots a guest of 256 MiB at the source that has filled 96 MiB and goes on rewriting 8 of them.</summary>
    public async Task<VmDescription> BootAsync(CancellationToken cancellationToken)
    {
        QemuGuest guest = await new QemuDemoGuest { FillBytes = 96 * MiB, RewriteBytes = 8 * MiB }
            .BuildAsync(Path.Combine(agents.Root, "guest"), cancellationToken);
        var specification = new VmSpecification { Name = "linux01", MemoryBytes = 256 * MiB, Qemu = guest };
        await Source.CreateVmAsync(specification, cancellationToken);
        VmDescription vm = await Source.StartVmAsync(specification.Id, cancellationToken);
        await QemuHostPair.WaitForConsoleAsync(vm, "FILLED", 0, bootLimit, cancellationToken);
        return vm;
    }

    /// <summary>Waits for the end of a migration.</summary>
    public static async Task<MigrationStatus> WaitAsync(IMigrationHost source, Guid migrationId, CancellationToken cancellationToken)
    {
        MigrationStatus? last = null;
        await foreach (MigrationStatus status in source.WatchMigrationAsync(migrationId, cancellationToken)) last = status;
        return last!;
    }

    /// <summary>
    /// Waits until the networks are as they were before the agents started, no agent holds a network besides its own, and none knows a path.
    /// </summary>
    public async Task AssertNothingIsLeftAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        foreach ((NetworkNamespace part, string described) in before)
        {
            await NetworkSnapshot.AssertReturnsAsync(described, part, limit, cancellationToken);
        }

        foreach ((AgentProcess agent, RemoteHost host) in hosts)
        {
            Assert.Empty(await host.ListPathsAsync(cancellationToken));
            Assert.Empty(FindHeldNetworks(agent));
        }
    }

    /// <summary>The networks that an agent holds besides its own, each by a path it can be opened by.</summary>
    public static IReadOnlyList<string> FindHeldNetworks(AgentProcess agent)
    {
        string? own = new FileInfo($"/proc/{agent.ProcessId}/ns/net").LinkTarget;
        Dictionary<string, string> held = [];
        foreach (string descriptor in Directory.EnumerateFiles($"/proc/{agent.ProcessId}/fd"))
        {
            // Null for one that is closed meanwhile.
            string? target = new FileInfo(descriptor).LinkTarget;
            if (target is not null && target != own && target.StartsWith("net:[", StringComparison.Ordinal)) held[target] = descriptor;
        }

        return [.. held.Values];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RemoteHost host in hosts.Values) await host.DisposeAsync();
        await agents.DisposeAsync();
        Network.Dispose();
    }

    private AgentProcess Add(string name, NetworkNamespace network, params string[] addresses) => agents.Add(new()
    {
        Name = name,
        LinkSecurity = LinkSecurity.Tls,
        MigrationAddress = addresses[0],
        Launcher = ["nsenter", $"--net={network.Path}", "--"],
        Configure = configuration =>
        {
            configuration["control"]!["unixSocket"] = new JsonObject { ["path"] = Path.Combine(agents.Root, name, "agent.sock") };
            configuration["paths"] = new JsonObject
            {
                ["addresses"] = new JsonArray([.. addresses.Select(address => JsonValue.Create(address))]),
                ["gateway"] = name == "gw",
                ["gatewayIdleLimit"] = "20s",
            };
        },
    });
}
