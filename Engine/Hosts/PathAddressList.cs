using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>The addresses of this machine that mobility paths can be built on.</summary>
internal static class PathAddressList
{
    // TEST-NET-3 of RFC 5737: where nothing answers, the route to it is the default one.
    private static readonly IPAddress elsewhere = IPAddress.Parse("203.0.113.1");

    /// <summary>
    /// Those of the options, else that of the listener where it has one of its own, then that of the default route, then the others of
    /// interfaces that are up.
    /// </summary>
    public static IReadOnlyList<string> Choose(PathNetwork network, LocalHostOptions options)
    {
        if (options.PathAddresses.Count > 0) return [.. options.PathAddresses.Select(address => address.ToString())];
        IEnumerable<IPAddress> preferred = IsUsable(options.ListenAddress) ? [options.ListenAddress] : [];
        return [.. preferred.Concat(OfDefaultRoute(network)).Concat(OfInterfaces(network)).Distinct().Select(address => address.ToString())];
    }

    private static IEnumerable<IPAddress> OfDefaultRoute(PathNetwork network)
    {
        try
        {
            IPAddress address = RouteProbe.Look(network, null, elsewhere).LocalAddress;
            return IsUsable(address) ? [address] : [];
        }
        catch (MigrationException)
        {
            // A machine without a default route has its addresses on its interfaces.
            return [];
        }
    }

    private static IPAddress[] OfInterfaces(PathNetwork network) => network.Run(() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(device => device.OperationalStatus != OperationalStatus.Down)
            .SelectMany(device => device.GetIPProperties().UnicastAddresses)
            .Select(unicast => unicast.Address)
            .Where(IsUsable)
            .OrderBy(address => address.AddressFamily == AddressFamily.InterNetwork ? 0 : 1)
            .ToArray());

    private static bool IsUsable(IPAddress address) =>
        !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any);
}
