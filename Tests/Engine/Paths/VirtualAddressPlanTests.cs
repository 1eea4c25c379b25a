using System.Net;
using CsCheck;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

public class VirtualAddressPlanTests
{
    [Fact]
    public void Translated_paths_get_two_addresses_of_the_shared_address_space()
    {
        IPNetwork shared = IPNetwork.Parse("100.64.0.0/10");

        for (int i = 0; i < 10_000; i++)
        {
            VirtualAddressPlan plan = VirtualAddressPlan.Draw(MobilityPathKind.Nat);
            Assert.True(shared.Contains(plan.SourceAddress) && shared.Contains(plan.DestinationAddress), plan.ToString());
            Assert.NotEqual(plan.SourceAddress, plan.DestinationAddress);
            Assert.InRange(plan.DataPort, 49_152, 65_535);
            Assert.Equal(0, plan.NetworkIdentifier);
        }
    }

    [Fact]
    public void Overlays_get_two_unique_local_addresses_of_one_network_and_an_identifier()
    {
        IPNetwork uniqueLocal = IPNetwork.Parse("fd00::/8");

        for (int i = 0; i < 10_000; i++)
        {
            VirtualAddressPlan plan = VirtualAddressPlan.Draw(MobilityPathKind.Overlay);
            Assert.True(uniqueLocal.Contains(plan.SourceAddress), plan.ToString());
            Assert.True(plan.SourceAddress.GetAddressBytes().Take(8).SequenceEqual(plan.DestinationAddress.GetAddressBytes().Take(8)));
            Assert.NotEqual(plan.SourceAddress, plan.DestinationAddress);
            Assert.InRange(plan.NetworkIdentifier, 1, (1 << 24) - 1);
        }
    }

    [Fact]
    public void Each_host_is_told_the_addresses_its_end_needs_and_no_others() =>
        Gen.Select(Address, Address, Gen.Bool).Where((source, destination, _) => !source.Equals(destination)).Sample((source, destination, nat) =>
        {
            MobilityPathKind kind = nat ? MobilityPathKind.Nat : MobilityPathKind.Overlay;
            IPAddress toSource = Neighbour(source);
            IPAddress toDestination = Neighbour(destination);
            var survey = new MobilityPathSurvey(
                kind, Host("a", source), Host("b", destination), nat ? Host("g", toDestination, toSource) : null);
            Assert.Empty(survey.Findings);

            IReadOnlyList<MobilityPathRequest> requests = survey.Plan(Guid.NewGuid(), VirtualAddressPlan.Draw(kind));

            Assert.Equal(nat ? 3 : 2, requests.Count);
            Assert.All(requests, PathRequestCheck.Require);
            MobilityPathRequest ofSource = requests[0];
            MobilityPathRequest ofDestination = requests[1];
            Assert.Equal(source.ToString(), ofSource.LocalAddress);
            Assert.Equal(destination.ToString(), ofDestination.LocalAddress);
            Assert.Equal((nat ? toSource : destination).ToString(), ofSource.RemoteAddress);
            Assert.Equal((nat ? toDestination : source).ToString(), ofDestination.RemoteAddress);
            Assert.All(requests.Take(2), request => Assert.True(request.SourceAddress is null && request.DestinationAddress is null));
            if (nat) Assert.Equal((source.ToString(), destination.ToString()), (requests[2].SourceAddress, requests[2].DestinationAddress));
        });

    [Fact]
    public void Hosts_with_one_address_and_hosts_without_any_are_findings()
    {
        IPAddress address = IPAddress.Parse("192.0.2.7");

        Assert.Contains("same address", Finding(new(MobilityPathKind.Overlay, Host("a", address), Host("b", address), null)), StringComparison.Ordinal);
        Assert.Contains("no addresses", Finding(new(MobilityPathKind.Overlay, Host("a", address), Host("b"), null)), StringComparison.Ordinal);
        Assert.Contains("needs a gateway", Finding(new(MobilityPathKind.Nat, Host("a", address), Host("b"), null)), StringComparison.Ordinal);
        Assert.Contains(
            "cannot be the gateway",
            Finding(new(MobilityPathKind.Nat, Host("a", address), Host("b"), Host("g") with { PathGatewayRefused = "no." })),
            StringComparison.Ordinal);
    }

    /// <summary>Hosts of networks of 254 hosts each; the first address of a network is its gateway's.</summary>
    private static Gen<IPAddress> Address => Gen.Select(
        Gen.Byte[1, 99], Gen.Byte, Gen.Byte, Gen.Byte[2, 254], (first, second, third, fourth) => new IPAddress([first, second, third, fourth]));

    private static IPAddress Neighbour(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        bytes[3] = 1;
        return new(bytes);
    }

    private static string Finding(MobilityPathSurvey survey) => Assert.Single(survey.Findings).Message;

    private static HostDescription Host(string name, params IPAddress[] addresses) => new()
    {
        Name = name,
        MachineName = name,
        ProcessorCount = 1,
        MemoryBytes = 1,
        AvailableMemoryBytes = 1,
        StateDirectory = "/",
        Endpoint = "127.0.0.1:1",
        Hypervisors = new Dictionary<HypervisorKind, string?>(),
        PathAddresses = [.. addresses.Select(address => address.ToString())],
        Paths = new Dictionary<MobilityPathKind, string?> { [MobilityPathKind.Overlay] = null, [MobilityPathKind.Nat] = null },
    };
}
