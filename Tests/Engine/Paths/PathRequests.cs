using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>Requests that fit the networks of a <see cref="PathLab"/>.</summary>
internal static class PathRequests
{
    public static MobilityPathRequest OverlaySource => new()
    {
        PathId = Guid.NewGuid(),
        Kind = MobilityPathKind.Overlay,
        Role = MobilityPathRole.Source,
        SourceHostName = "source",
        DestinationHostName = "destination",
        SourceVirtualAddress = "fd77::1",
        DestinationVirtualAddress = "fd77::2",
        DataPort = 50_000,
        NetworkIdentifier = 77,
        LocalAddress = $"{PathLab.SourceAddress}",
        RemoteAddress = $"{PathLab.DestinationAddress}",
    };

    public static MobilityPathRequest NatSource => OverlaySource with
    {
        Kind = MobilityPathKind.Nat,
        SourceVirtualAddress = "100.64.7.6",
        DestinationVirtualAddress = "100.64.7.7",
        NetworkIdentifier = 0,
        RemoteAddress = $"{PathLab.GatewayToSource}",
    };

    public static MobilityPathRequest NatDestination => NatSource with
    {
        Role = MobilityPathRole.Destination,
        LocalAddress = $"{PathLab.DestinationAddress}",
        RemoteAddress = $"{PathLab.GatewayToDestination}",
    };

    public static MobilityPathRequest NatGateway => NatSource with
    {
        Role = MobilityPathRole.Gateway,
        LocalAddress = null,
        RemoteAddress = null,
        SourceAddress = $"{PathLab.SourceAddress}",
        DestinationAddress = $"{PathLab.DestinationAddress}",
    };
}
