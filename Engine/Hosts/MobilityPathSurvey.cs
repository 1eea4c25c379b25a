using System.Net;
using System.Net.Sockets;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>What the hosts of a path that is to be made say of themselves, and what follows from it.</summary>
internal sealed class MobilityPathSurvey
{
    private const string Check = "MobilityPath";

    private readonly MobilityPathKind kind;
    private readonly HostDescription source;
    private readonly HostDescription destination;
    private readonly HostDescription? gateway;
    private readonly List<PreflightFinding> findings = [];

    /// <summary>Draws the conclusions from what the hosts say.</summary>
    public MobilityPathSurvey(MobilityPathKind kind, HostDescription source, HostDescription destination, HostDescription? gateway)
    {
        this.kind = kind;
        this.source = source;
        this.destination = destination;
        this.gateway = gateway;
        CheckKind();
        CheckAbility(source);
        CheckAbility(destination);
        if (kind == MobilityPathKind.Nat) CheckGateway();
        if (findings.Count == 0) ChooseAddresses();
    }

    /// <summary>What keeps the hosts from making the path; empty where nothing does.</summary>
    public IReadOnlyList<PreflightFinding> Findings => findings;

    private IPAddress SourceAddress { get; set; } = IPAddress.None;

    private IPAddress DestinationAddress { get; set; } = IPAddress.None;

    /// <summary>The gateway's addresses as source and destination reach it; null for routes that are there.</summary>
    private (IPAddress? OfSource, IPAddress? OfDestination) GatewayAddresses { get; set; }

    /// <summary>Asks the hosts side by side.</summary>
    public static async Task<MobilityPathSurvey> RunAsync(
        MobilityPathKind kind, IMigrationHost source, IMigrationHost destination, IMigrationHost? gateway, CancellationToken cancellationToken)
    {
        Task<HostDescription> ofSource = source.DescribeAsync(cancellationToken);
        Task<HostDescription> ofDestination = destination.DescribeAsync(cancellationToken);
        Task<HostDescription?> ofGateway = DescribeAsync(gateway, cancellationToken);
        await Task.WhenAll((Task)ofSource, ofDestination, ofGateway).ConfigureAwait(false);
        return new(
            kind, await ofSource.ConfigureAwait(false), await ofDestination.ConfigureAwait(false), await ofGateway.ConfigureAwait(false));
    }

    /// <summary>What each host is asked for: the source, the destination and, last, the gateway where there is one.</summary>
    public IReadOnlyList<MobilityPathRequest> Plan(Guid pathId, VirtualAddressPlan numbers)
    {
        var common = new MobilityPathRequest
        {
            PathId = pathId,
            Kind = kind,
            Role = MobilityPathRole.Source,
            SourceHostName = source.Name,
            DestinationHostName = destination.Name,
            GatewayHostName = gateway?.Name,
            SourceVirtualAddress = numbers.SourceAddress.ToString(),
            DestinationVirtualAddress = numbers.DestinationAddress.ToString(),
            DataPort = numbers.DataPort,
            NetworkIdentifier = numbers.NetworkIdentifier,
        };
        bool overlay = kind == MobilityPathKind.Overlay;
        MobilityPathRequest ofSource = common with
        {
            LocalAddress = SourceAddress.ToString(),
            RemoteAddress = overlay ? DestinationAddress.ToString() : GatewayAddresses.OfSource?.ToString(),
        };
        MobilityPathRequest ofDestination = common with
        {
            Role = MobilityPathRole.Destination,
            LocalAddress = DestinationAddress.ToString(),
            RemoteAddress = overlay ? SourceAddress.ToString() : GatewayAddresses.OfDestination?.ToString(),
        };
        if (overlay) return [ofSource, ofDestination];
        return
        [
            ofSource, ofDestination,
            common with
            {
                Role = MobilityPathRole.Gateway,
                SourceAddress = SourceAddress.ToString(),
                DestinationAddress = DestinationAddress.ToString(),
            },
        ];
    }

    private static async Task<HostDescription?> DescribeAsync(IMigrationHost? host, CancellationToken cancellationToken) =>
        host is null ? null : await host.DescribeAsync(cancellationToken).ConfigureAwait(false);

    private void CheckKind()
    {
        if (kind is not (MobilityPathKind.Overlay or MobilityPathKind.Nat))
        {
            Add($"A path of kind {kind} is not made.", "Choose Overlay or Nat.");
        }
        else if (kind == MobilityPathKind.Overlay && gateway is not null)
        {
            Add("An overlay has no gateway.", "Leave the gateway out, or choose Nat.");
        }
    }

    private void CheckAbility(HostDescription host)
    {
        if (!host.Paths.TryGetValue(kind, out string? obstacle)) obstacle = "it does not say that it can.";
        if (obstacle is not null) Add($"Host '{host.Name}' cannot take part in a path of kind {kind}: {obstacle}", "Mend the reason on that host.");
    }

    private void CheckGateway()
    {
        if (gateway is null) Add("A path of kind Nat needs a gateway.", "Name the host that stands between source and destination.");
        else if (gateway.PathGatewayRefused is { } refused)
        {
            Add($"Host '{gateway.Name}' cannot be the gateway of a path: {refused}", "Mend the reason on that host.");
        }
        else if (gateway.Name == source.Name || gateway.Name == destination.Name)
        {
            Add($"Host '{gateway.Name}' is an end of the path and cannot be its gateway, too.", "Name a third host.");
        }
    }

    private void ChooseAddresses()
    {
        bool ipv4Only = kind == MobilityPathKind.Nat;
        (IPAddress Source, IPAddress Destination)[] pairs =
        [
            .. from ofSource in AddressesOf(source)
            from ofDestination in AddressesOf(destination)
            where ofSource.AddressFamily == ofDestination.AddressFamily
                && (!ipv4Only || ofSource.AddressFamily == AddressFamily.InterNetwork)
            // The same network first, then the order of preference.
            orderby kind == MobilityPathKind.Overlay ? -CommonPrefixBits(ofSource, ofDestination) / 8 : 0
            select (ofSource, ofDestination),
        ];
        if (pairs.Length == 0)
        {
            Add($"Hosts '{source.Name}' and '{destination.Name}' have no addresses of one kind that a path could be built on.",
                "Set PathAddresses of the hosts.");
            return;
        }

        (SourceAddress, DestinationAddress) = pairs[0];
        if (SourceAddress.Equals(DestinationAddress))
        {
            Add($"Hosts '{source.Name}' and '{destination.Name}' have the same address, {SourceAddress}: a path leads to another machine.",
                "Migrate between hosts on one machine directly.");
        }

        if (gateway is null) return;
        IPAddress[] ofGateway = [.. AddressesOf(gateway).Where(address => address.AddressFamily == AddressFamily.InterNetwork)];
        if (ofGateway.Length == 0) Add($"Host '{gateway.Name}' has no IPv4 address.", "Set PathAddresses of the gateway.");
        else GatewayAddresses = (Nearest(ofGateway, SourceAddress), Nearest(ofGateway, DestinationAddress));
    }

    private static IPAddress[] AddressesOf(HostDescription host) => [.. host.PathAddresses.Select(IPAddress.Parse)];

    /// <summary>A gateway's address on a host's own network has the longest prefix in common with the host's address.</summary>
    private static IPAddress Nearest(IPAddress[] addresses, IPAddress to) => addresses.MaxBy(address => CommonPrefixBits(address, to))!;

    private static int CommonPrefixBits(IPAddress left, IPAddress right)
    {
        int bits = 0;
        foreach ((byte one, byte other) in left.GetAddressBytes().Zip(right.GetAddressBytes()))
        {
            int different = one ^ other;
            if (different == 0)
            {
                bits += 8;
                continue;
            }

            return bits + System.Numerics.BitOperations.LeadingZeroCount((uint)different) - 24;
        }

        return bits;
    }

    private void Add(string message, string action) => findings.Add(new(PreflightSeverity.Error, Check, message, action));
}
