using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>
/// Three networks on this machine: a source's and a destination's, each joined to a gateway's by a pair of devices, on different subnets.
/// They have no names, and go with the handles and the processes that hold them: a killed test run leaves none behind.
/// </summary>
internal sealed class NetworkLab : IDisposable
{
    public const string SourceAddress = "10.201.1.2";
    public const string DestinationAddress = "10.201.2.2";
    public const string GatewayAddressOfSource = "10.201.1.1";
    public const string GatewayAddressOfDestination = "10.201.2.1";

    // VXLAN packets of a tunnel over these devices still hold the largest frames of the machine's own loopback.
    private const int MtuBytes = 9000;

    private static readonly string[] notReady = ["NO-CARRIER", "state DOWN", "state LOWERLAYERDOWN"];
    private static readonly TimeSpan carrierLimit = TimeSpan.FromSeconds(30);

    private NetworkLab(NetworkNamespace source, NetworkNamespace gateway, NetworkNamespace destination)
    {
        Source = source;
        Gateway = gateway;
        Destination = destination;
    }

    public NetworkNamespace Source { get; }

    public NetworkNamespace Gateway { get; }

    public NetworkNamespace Destination { get; }

    /// <summary>Makes the networks.</summary>
    /// <param name="routed">
    /// Whether the gateway forwards between the subnets, and the hosts have a route to each other over it; without, the hosts reach the
    /// gateway only.
    /// </param>
    /// <param name="cancellationToken">Cancels the making; nothing is left then.</param>
    public static async Task<NetworkLab> CreateAsync(bool routed, CancellationToken cancellationToken)
    {
        var lab = new NetworkLab(NetworkNamespace.Create(), NetworkNamespace.Create(), NetworkNamespace.Create());
        try
        {
            await ConfigureAsync(
                lab.Gateway,
                $"""
                link set lo up
                link add tosource mtu {MtuBytes} type veth peer name eth0 mtu {MtuBytes} netns {lab.Source.Path}
                link add todestination mtu {MtuBytes} type veth peer name eth0 mtu {MtuBytes} netns {lab.Destination.Path}
                link set tosource addrgenmode none
                link set todestination addrgenmode none
                address add {GatewayAddressOfSource}/24 dev tosource
                address add {GatewayAddressOfDestination}/24 dev todestination
                link set tosource up
                link set todestination up

                """,
                cancellationToken);
            await ConfigureHostAsync(lab.Source, SourceAddress, routed ? DestinationAddress : null, GatewayAddressOfSource, cancellationToken);
            await ConfigureHostAsync(
                lab.Destination, DestinationAddress, routed ? SourceAddress : null, GatewayAddressOfDestination, cancellationToken);
            foreach (NetworkNamespace part in new[] { lab.Source, lab.Gateway, lab.Destination }) await WaitForCarrierAsync(part, cancellationToken);
            if (routed)
            {
                lab.Gateway.Run(() =>
                {
                    File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "1");
                    return true;
                });
            }

            return lab;
        }
        catch
        {
            lab.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Source.Dispose();
        Destination.Dispose();
        Gateway.Dispose();
    }

    /// <summary>The kernel says a moment after a device is up that there is another at the far end (ip-link(8)).</summary>
    private static async Task WaitForCarrierAsync(NetworkNamespace where, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(carrierLimit);
        string devices;
        do
        {
            devices = await NetworkProgram.Ip.RunAsync(new(where), ["link", "show", "type", "veth"], "", "look at the lab", limit.Token);
        }
        while (!devices.Contains("state UP", StringComparison.Ordinal) || notReady.Any(word => devices.Contains(word, StringComparison.Ordinal)));
    }

    private static Task ConfigureHostAsync(
        NetworkNamespace host, string address, string? reached, string gateway, CancellationToken cancellationToken) =>
        ConfigureAsync(
            host,
            $"""
            link set lo up
            link set eth0 addrgenmode none
            address add {address}/24 dev eth0
            link set eth0 up
            {(reached is null ? "" : $"route add {reached}/32 via {gateway}")}

            """,
            cancellationToken);

    private static async Task ConfigureAsync(NetworkNamespace where, string batch, CancellationToken cancellationToken) =>
        await NetworkProgram.Ip.RunAsync(new(where), ["-batch", "-"], batch, "make the lab's network", cancellationToken);
}
