using System.Net;
using System.Net.Sockets;

namespace VmMigration.Engine.Paths;

/// <summary>
/// Refuses requests that no end can be made from. What passes is written into commands of <c>ip</c> and <c>nft</c>, so addresses are
/// parsed and never passed on as text.
/// </summary>
internal static class PathRequestCheck
{
    private const int FirstPort = 1024;
    private const int LastPort = 65_535;
    private const int LastNetworkIdentifier = (1 << 24) - 1;

    /// <summary>Refuses a request that contradicts itself.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, naming what is wrong.</exception>
    public static void Require(MobilityPathRequest request)
    {
        bool overlay = request.Kind == MobilityPathKind.Overlay;
        if (!overlay && request.Kind != MobilityPathKind.Nat) throw Wrong($"its kind is {request.Kind}, which has no ends");
        bool gateway = request.Role == MobilityPathRole.Gateway;
        if (request.Role is not (MobilityPathRole.Source or MobilityPathRole.Destination) && !(gateway && !overlay))
        {
            throw Wrong($"a path of kind {request.Kind} has no {request.Role}");
        }

        if (request.DataPort is < FirstPort or > LastPort) throw Wrong($"{request.DataPort} is no port of {FirstPort} to {LastPort}");
        if (overlay && request.NetworkIdentifier is < 1 or > LastNetworkIdentifier)
        {
            throw Wrong($"{request.NetworkIdentifier} is no VXLAN network identifier of 1 to {LastNetworkIdentifier}");
        }

        AddressFamily family = overlay ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        RequireVirtual(request.SourceVirtualAddress, family);
        RequireVirtual(request.DestinationVirtualAddress, family);
        if (request.SourceVirtualAddress == request.DestinationVirtualAddress) throw Wrong("both ends have one virtual address");
    }

    /// <summary>Parses an address the request must have.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>.</exception>
    public static IPAddress Address(string? text, string what) =>
        IPAddress.TryParse(text, out IPAddress? address) ? address : throw Wrong($"'{text}' is no IP address for its {what}");

    /// <summary>Parses an IPv4 address the request must have.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>.</exception>
    public static IPAddress Ipv4Address(string? text, string what)
    {
        IPAddress address = Address(text, what);
        return address.AddressFamily == AddressFamily.InterNetwork ? address : throw Wrong($"{address} is no IPv4 address for its {what}");
    }

    private static void RequireVirtual(string text, AddressFamily family)
    {
        IPAddress address = Address(text, "virtual address");
        if (address.AddressFamily != family) throw Wrong($"the virtual address {address} is not of the family {family}");
    }

    private static MigrationException Wrong(string why) => new(
        MigrationErrorReason.InvalidArgument, $"No end of a mobility path can be made: {why}.", "Let the broker plan the path.");
}
