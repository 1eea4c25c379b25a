using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>
/// Three networks of this process's own, that of a source, a gateway and a destination, joined by two wires; nothing leads from the source
/// to the destination but what the gateway forwards. They go with the test, whatever it leaves in them.
/// </summary>
internal sealed class PathLab : IDisposable
{
    private readonly NetworkNamespace source = NetworkNamespace.Create();
    private readonly NetworkNamespace gateway = NetworkNamespace.Create();
    private readonly NetworkNamespace destination = NetworkNamespace.Create();

    private PathLab()
    {
        Source = new(source);
        Gateway = new(gateway);
        Destination = new(destination);
    }

    public static IPAddress SourceAddress { get; } = IPAddress.Parse("10.77.1.2");

    public static IPAddress GatewayToSource { get; } = IPAddress.Parse("10.77.1.1");

    public static IPAddress GatewayToDestination { get; } = IPAddress.Parse("10.77.2.1");

    public static IPAddress DestinationAddress { get; } = IPAddress.Parse("10.77.2.2");

    public PathNetwork Source { get; }

    public PathNetwork Gateway { get; }

    public PathNetwork Destination { get; }

    /// <param name="forwarded">Whether the gateway forwards, and the hosts have routes to each other over it, as an overlay needs.</param>
    public static async Task<PathLab> CreateAsync(bool forwarded)
    {
        var lab = new PathLab();
        await IpAsync(lab.Gateway, $"""
            link set lo up
            link add to_source type veth peer name wire netns {lab.source.Path}
            link add to_target type veth peer name wire netns {lab.destination.Path}
            address add {GatewayToSource}/24 dev to_source
            address add {GatewayToDestination}/24 dev to_target
            link set to_source up
            link set to_target up

            """);
        await AttachAsync(lab.Source, SourceAddress, forwarded ? GatewayToSource : null);
        await AttachAsync(lab.Destination, DestinationAddress, forwarded ? GatewayToDestination : null);
        new Ipv4Forwarding(lab.Gateway).Set(forwarded);
        return lab;
    }

    /// <summary>What the kernel has in a network: devices, addresses, routes and rules, as text that is the same where they are.</summary>
    public static async Task<string> DescribeAsync(PathNetwork network)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string links = await NetworkProgram.Ip.RunAsync(network, ["-j", "address"], "", "list addresses", cancellation);
        string addresses = string.Join('\n', JsonNode.Parse(links)!.AsArray().Select(device =>
            $"{device!["ifname"]} {string.Join(' ', device["addr_info"]!.AsArray()
                // The kernel gives those itself, a moment after the wire is there.
                .Where(address => (string?)address!["scope"] != "link").Select(address => address!["local"]))}"));
        string routes = await NetworkProgram.Ip.RunAsync(network, ["route"], "", "list routes", cancellation);
        string rules = await NetworkProgram.Nft.RunAsync(network, ["list", "ruleset"], "", "list rules", cancellation);
        string sockets = network.Run(() => string.Join('\n', File.ReadAllLines("/proc/thread-self/net/udp").Skip(1).Select(line => line[..30])));
        return $"{addresses}\n{routes}\n{rules}\n{sockets}\nforwarding {new Ipv4Forwarding(network).IsOn}";
    }

    /// <summary>Waits until a network is as it was; the kernel removes some things a moment later.</summary>
    public static async Task AssertAsBeforeAsync(string before, PathNetwork network)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            string now = await DescribeAsync(network);
            if (now == before) return;
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(10)) Assert.Equal(before, now);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public static async Task IpAsync(PathNetwork network, string commands) =>
        await NetworkProgram.Ip.RunAsync(network, ["-batch", "-"], commands, "build a lab", TestContext.Current.CancellationToken);

    public void Dispose()
    {
        source.Dispose();
        gateway.Dispose();
        destination.Dispose();
    }

    private static Task AttachAsync(PathNetwork network, IPAddress address, IPAddress? router) => IpAsync(network, $"""
        link set lo up
        address add {address}/24 dev wire
        link set wire up
        {(router is null ? "" : $"route add default via {router}")}

        """);
}
