using System.Net;
using System.Net.Sockets;
using Serilog;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Paths;

/// <summary>
/// Overlay ends: a network namespace with one VXLAN device (RFC 7348), whose outer socket stays in the host's network. The device is
/// made right inside the namespace and nothing but this process holds that, so the kernel removes both when the process ends, however
/// it ends.
/// </summary>
/// <param name="host">The host's network.</param>
/// <param name="log">Told of what could not be set and is not needed.</param>
internal sealed class OverlayPathProvider(PathNetwork host, ILogger log) : IMobilityPathProvider
{
    /// <summary>Name of the device; every namespace has only one.</summary>
    public const string DeviceName = "vmm0";

    // The port of RFC 7348; VXLAN network identifiers tell the paths apart.
    private const int TunnelPort = 4789;

    // The outer IP and UDP headers, VXLAN's own, and the inner Ethernet header (RFC 7348, section 5).
    private const int OverheadOverIpv4Bytes = 20 + 8 + 8 + 14;
    private const int OverheadOverIpv6Bytes = 40 + 8 + 8 + 14;

    // RFC 8200, section 5.
    private const int LeastIpv6MtuBytes = 1280;

    /// <inheritdoc/>
    public bool Makes(MobilityPathKind kind, MobilityPathRole role) =>
        kind == MobilityPathKind.Overlay && role is MobilityPathRole.Source or MobilityPathRole.Destination;

    /// <inheritdoc/>
    public async Task<string?> FindObstacleAsync(CancellationToken cancellationToken)
    {
        if (NetworkProgram.Ip.Obstacle is { } missing) return missing;
        try
        {
            using NetworkNamespace outer = NetworkNamespace.Create();
            using NetworkNamespace inner = NetworkNamespace.Create();
            await MakeDeviceAsync(
                new(outer), inner, new(1, IPAddress.Loopback, IPAddress.Parse("127.0.0.2"), IPAddress.Parse("fd00::1"), LeastIpv6MtuBytes),
                cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (MigrationException refused)
        {
            return refused.Message;
        }
    }

    /// <inheritdoc/>
    public async Task<PreparedPathEnd> PrepareAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        Device device = Plan(request);
        NetworkNamespace inner = NetworkNamespace.Create();
        try
        {
            await MakeDeviceAsync(host, inner, device, cancellationToken).ConfigureAwait(false);
            LimitOrphans(inner);
            return new OverlayPathEnd(
                inner, device.Address,
                request.Role == MobilityPathRole.Destination ? new(device.Address, request.DataPort) : null, device.NetworkIdentifier);
        }
        catch
        {
            // The device goes with its namespace.
            inner.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Nothing outlives the process.</remarks>
    public Task RemoveLeftoverAsync(MobilityPathRequest request, CancellationToken cancellationToken) => Task.CompletedTask;

    private Device Plan(MobilityPathRequest request)
    {
        IPAddress local = PathRequestCheck.Address(request.LocalAddress, nameof(request.LocalAddress));
        IPAddress remote = PathRequestCheck.Address(request.RemoteAddress, nameof(request.RemoteAddress));
        string own = request.Role == MobilityPathRole.Source ? request.SourceVirtualAddress : request.DestinationVirtualAddress;
        int overhead = remote.AddressFamily == AddressFamily.InterNetworkV6 ? OverheadOverIpv6Bytes : OverheadOverIpv4Bytes;
        int mtu = Math.Min(RouteProbe.Look(host, local, remote).MtuBytes, ushort.MaxValue) - overhead;
        return mtu >= LeastIpv6MtuBytes
            ? new(request.NetworkIdentifier, local, remote, PathRequestCheck.Address(own, "virtual address"), mtu)
            : throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"The way from {local} to {remote} leaves an overlay packets of {mtu} bytes; IPv6 needs {LeastIpv6MtuBytes}.",
                "Name addresses on a network with larger packets.");
    }

    /// <summary>Two processes: what makes the device runs in the host's network, where its outer socket is to be; the rest runs inside.</summary>
    private static async Task MakeDeviceAsync(PathNetwork outer, NetworkNamespace inner, Device device, CancellationToken cancellationToken)
    {
        await NetworkProgram.Ip.RunAsync(
            outer, ["-batch", "-"],
            $"link add {DeviceName} netns {inner.Path} mtu {device.MtuBytes} type vxlan id {device.NetworkIdentifier} local {device.Local}"
            + $" remote {device.Remote} dstport {TunnelPort} nolearning\n",
            $"make an overlay from {device.Local} to {device.Remote}", cancellationToken).ConfigureAwait(false);
        await NetworkProgram.Ip.RunAsync(
            new(inner), ["-batch", "-"],
            $"address add {device.Address}/{VirtualAddressPlan.OverlayPrefixLength} dev {DeviceName} nodad\nlink set {DeviceName} up\n",
            $"give the overlay's end the address {device.Address}", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Sockets of a killed process that still wait for their peer keep the namespace: they are given seconds instead of minutes
    /// (ip-sysctl.txt).
    /// </summary>
    private void LimitOrphans(NetworkNamespace inner)
    {
        try
        {
            inner.Run(() =>
            {
                File.WriteAllText("/proc/sys/net/ipv4/tcp_orphan_retries", "2");
                File.WriteAllText("/proc/sys/net/ipv4/tcp_fin_timeout", "5");
                return true;
            });
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            log.Warning("Where this process is killed, connections may keep its mobility paths for minutes: {Message}", error.Message);
        }
    }

    private sealed record Device(int NetworkIdentifier, IPAddress Local, IPAddress Remote, IPAddress Address, int MtuBytes);
}
