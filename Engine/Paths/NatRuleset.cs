using System.Globalization;
using System.Net;
using System.Text.Json;

namespace VmMigration.Engine.Paths;

/// <summary>
/// The gateway's rules for one path, as a table of nftables (nft(8)) that holds nothing else: connections from the source to the
/// destination's virtual address, on the path's one port, go to the destination and come from the source's virtual address. What else is
/// sent to a virtual address is dropped. Two counters say whether the hosts still use it.
/// </summary>
/// <param name="PathId">The path.</param>
/// <param name="Source">Physical address of the source.</param>
/// <param name="Destination">Physical address of the destination.</param>
/// <param name="SourceVirtual">The source as the destination sees it.</param>
/// <param name="DestinationVirtual">The destination as the source sees it.</param>
/// <param name="DataPort">TCP port of the destination, and UDP port of the hosts' signs of life.</param>
internal sealed record NatRuleset(
    Guid PathId, IPAddress Source, IPAddress Destination, IPAddress SourceVirtual, IPAddress DestinationVirtual, int DataPort)
{
    /// <summary>Payload of a host's sign of life, in bytes; the rules know it by its length.</summary>
    public const int AliveBytes = 2;

    /// <summary>Payload of a host's farewell, in bytes.</summary>
    public const int FarewellBytes = 1;

    private const string Family = "inet";
    private const string TablePrefix = "vmm_";
    private const string TrafficCounter = "traffic";
    private const string SourceFarewellCounter = "farewell_source";
    private const string DestinationFarewellCounter = "farewell_destination";
    private const int UdpHeaderBytes = 8;

    // Forwards what a path has translated and nothing else, while forwarding is on for paths only.
    private const string ForwardingTable = "vmm_forwarding";

    /// <summary>Commands that let only paths be forwarded.</summary>
    public const string AddForwardingGuard =
        $$"""
        table ip {{ForwardingTable}} {
            chain forward {
                type filter hook forward priority filter; policy drop;
                ct original ip daddr 100.64.0.0/10 accept
            }
        }

        """;

    /// <summary>Commands that undo <see cref="AddForwardingGuard"/>, whether it was done or not.</summary>
    public const string RemoveForwardingGuard = $"add table ip {ForwardingTable}\ndelete table ip {ForwardingTable}\n";

    /// <summary>Name of the table.</summary>
    public string Table => TablePrefix + PathId.ToString("N");

    /// <summary>Commands that make the table; they fail where it is there already.</summary>
    public string AddCommands =>
        $$"""
        create table {{Family}} {{Table}}
        table {{Family}} {{Table}} {
            counter {{TrafficCounter}} { }
            counter {{SourceFarewellCounter}} { }
            counter {{DestinationFarewellCounter}} { }
            chain to_destination {
                type nat hook prerouting priority dstnat; policy accept;
                ip saddr {{Source}} ip daddr {{DestinationVirtual}} tcp dport {{DataPort}} dnat ip to {{Destination}}
            }
            chain signs_of_life {
                type filter hook prerouting priority filter; policy accept;
                ip saddr {{Source}} ip daddr {{DestinationVirtual}} udp dport {{DataPort}} udp length {{UdpHeaderBytes + AliveBytes}} counter name {{TrafficCounter}} drop
                ip saddr {{Destination}} ip daddr {{SourceVirtual}} udp dport {{DataPort}} udp length {{UdpHeaderBytes + AliveBytes}} counter name {{TrafficCounter}} drop
                ip saddr {{Source}} ip daddr {{DestinationVirtual}} udp dport {{DataPort}} udp length {{UdpHeaderBytes + FarewellBytes}} counter name {{SourceFarewellCounter}} drop
                ip saddr {{Destination}} ip daddr {{SourceVirtual}} udp dport {{DataPort}} udp length {{UdpHeaderBytes + FarewellBytes}} counter name {{DestinationFarewellCounter}} drop
                ip daddr { {{SourceVirtual}}, {{DestinationVirtual}} } drop
            }
            chain between {
                type filter hook forward priority filter; policy accept;
                ct original ip daddr {{DestinationVirtual}} ct original ip saddr != {{Source}} drop
                ct original ip daddr {{DestinationVirtual}} meta l4proto tcp ct original proto-dst != {{DataPort}} drop
                ct original ip daddr {{DestinationVirtual}} ct state invalid,untracked drop
                ct original ip daddr {{DestinationVirtual}} counter name {{TrafficCounter}} accept
            }
            chain from_source {
                type nat hook postrouting priority srcnat; policy accept;
                ct original ip saddr {{Source}} ct original ip daddr {{DestinationVirtual}} snat ip to {{SourceVirtual}}
            }
        }

        """;

    /// <summary>Commands that remove the table, whether it is there or not.</summary>
    public string RemoveCommands => $"add table {Family} {Table}\ndelete table {Family} {Table}\n";

    /// <summary>Reads it from a gateway's request.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>.</exception>
    public static NatRuleset Of(MobilityPathRequest request) => new(
        request.PathId,
        PathRequestCheck.Ipv4Address(request.SourceAddress, nameof(request.SourceAddress)),
        PathRequestCheck.Ipv4Address(request.DestinationAddress, nameof(request.DestinationAddress)),
        PathRequestCheck.Ipv4Address(request.SourceVirtualAddress, nameof(request.SourceVirtualAddress)),
        PathRequestCheck.Ipv4Address(request.DestinationVirtualAddress, nameof(request.DestinationVirtualAddress)),
        request.DataPort);

    /// <summary>Reads the counters of all paths from what <c>nft -j list counters</c> writes (libnftables-json(5)).</summary>
    /// <returns>Per name of a table its counts.</returns>
    public static IReadOnlyDictionary<string, NatCounts> ReadCounts(string json)
    {
        Dictionary<string, NatCounts> counts = [];
        using var document = JsonDocument.Parse(json);
        foreach (JsonElement item in document.RootElement.GetProperty("nftables").EnumerateArray())
        {
            if (!item.TryGetProperty("counter", out JsonElement counter)) continue;
            string table = counter.GetProperty("table").GetString()!;
            if (!table.StartsWith(TablePrefix, StringComparison.Ordinal)) continue;
            long packets = counter.GetProperty("packets").GetInt64();
            NatCounts before = counts.GetValueOrDefault(table, new(0, 0, 0));
            counts[table] = counter.GetProperty("name").GetString() switch
            {
                TrafficCounter => before with { Packets = packets },
                SourceFarewellCounter => before with { SourceFarewells = packets },
                DestinationFarewellCounter => before with { DestinationFarewells = packets },
                _ => before,
            };
        }

        return counts;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Family} {Table}: {Source} to {DestinationVirtual} port {DataPort}");
}
