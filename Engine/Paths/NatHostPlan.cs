using System.Net;

namespace VmMigration.Engine.Paths;

/// <summary>What a host's end of a path over a gateway is made from.</summary>
/// <param name="Local">Physical address of this host, which the gateway expects.</param>
/// <param name="PeerVirtualAddress">Address of the other host as this one sees it.</param>
/// <param name="Gateway">Next hop to it; null where a route is there already.</param>
internal sealed record NatHostPlan(IPAddress Local, IPAddress PeerVirtualAddress, IPAddress? Gateway)
{
    /// <summary>Reads it from a request.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>.</exception>
    public static NatHostPlan Of(MobilityPathRequest request) => new(
        PathRequestCheck.Ipv4Address(request.LocalAddress, nameof(request.LocalAddress)),
        PathRequestCheck.Ipv4Address(
            request.Role == MobilityPathRole.Source ? request.DestinationVirtualAddress : request.SourceVirtualAddress, "virtual address"),
        request.RemoteAddress is null ? null : PathRequestCheck.Ipv4Address(request.RemoteAddress, nameof(request.RemoteAddress)));
}
