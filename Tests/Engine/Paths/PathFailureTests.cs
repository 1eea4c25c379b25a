using System.Net.Sockets;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>Ends that cannot be made leave nothing, on any host.</summary>
public class PathFailureTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Where_one_host_fails_the_others_are_as_they_were()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        await PathLab.IpAsync(hosts.Lab.Destination, "link set wire down\n");
        string beforeSource = await PathLab.DescribeAsync(hosts.Lab.Source);
        string beforeGateway = await PathLab.DescribeAsync(hosts.Lab.Gateway);

        var failure = await Assert.ThrowsAsync<MigrationException>(() =>
            MobilityPathBroker.CreateAsync(MobilityPathKind.Nat, hosts.Source, hosts.Destination, hosts.Gateway, Cancel));

        Assert.Contains("route", failure.Message, StringComparison.Ordinal);
        await PathLab.AssertAsBeforeAsync(beforeSource, hosts.Lab.Source);
        await PathLab.AssertAsBeforeAsync(beforeGateway, hosts.Lab.Gateway);
        Assert.Empty(await MobilityPathBroker.ListAsync([hosts.Source, hosts.Gateway, hosts.Destination], Cancel));
    }

    [Fact]
    public async Task An_identifier_in_use_is_refused_as_such_and_what_has_it_stays()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: true);
        MobilityPathRequest request = PathRequests.OverlaySource;
        await PathLab.IpAsync(
            hosts.Lab.Source,
            $"link add other type vxlan id {request.NetworkIdentifier} local {request.LocalAddress} remote {request.RemoteAddress} dstport 4789\n"
            + "link set other up\n");
        string before = await PathLab.DescribeAsync(hosts.Lab.Source);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Source.PreparePathAsync(request, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, failure.Reason);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Source);
        Assert.Empty(await hosts.Source.ListPathsAsync(Cancel));
    }

    [Fact]
    public async Task A_route_of_somebody_else_is_neither_replaced_nor_removed()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        MobilityPathRequest request = PathRequests.NatSource;
        await PathLab.IpAsync(hosts.Lab.Source, $"route add {request.DestinationVirtualAddress}/32 via {PathLab.GatewayToSource}\n");
        string before = await PathLab.DescribeAsync(hosts.Lab.Source);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Source.PreparePathAsync(request, Cancel));
        MobilityPathEnd trusted = await hosts.Source.PreparePathAsync(request with { RemoteAddress = null }, Cancel);
        await hosts.Source.RemovePathAsync(request.PathId, Cancel);

        Assert.Equal(MigrationErrorReason.InvalidState, failure.Reason);
        Assert.Empty(trusted.Resources);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Source);
    }

    [Fact]
    public async Task A_port_in_use_at_the_destination_leaves_no_route()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        MobilityPathRequest request = PathRequests.NatDestination;
        using Socket other = hosts.Lab.Destination.Open(AddressFamily.InterNetwork);
        other.Bind(new System.Net.IPEndPoint(PathLab.DestinationAddress, request.DataPort));
        other.Listen();
        string before = await PathLab.DescribeAsync(hosts.Lab.Destination);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Destination.PreparePathAsync(request, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, failure.Reason);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Destination);
    }

    [Fact]
    public async Task An_end_that_could_not_be_removed_is_kept_as_failed_and_removed_later()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: true);
        MobilityPathRequest request = PathRequests.OverlaySource;
        await hosts.Source.PreparePathAsync(request, Cancel);
        LocalPathEnd end = Assert.Single(hosts.Source.Paths.Ends);
        PathNetwork inside = end.Prepared!.Network;
        await PathLab.IpAsync(inside, $"link set {OverlayPathProvider.DeviceName} down\nlink set {OverlayPathProvider.DeviceName} name hidden\n");

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Source.RemovePathAsync(request.PathId, Cancel));
        MobilityPathEnd failed = Assert.Single(await hosts.Source.ListPathsAsync(Cancel));
        await PathLab.IpAsync(inside, $"link set hidden name {OverlayPathProvider.DeviceName}\n");
        await hosts.Source.RemovePathAsync(request.PathId, Cancel);

        Assert.Equal(MobilityPathState.Failed, failed.State);
        Assert.Equal(failure.Message, failed.Failure);
        Assert.Empty(await hosts.Source.ListPathsAsync(Cancel));
    }

    [Fact]
    public async Task A_second_end_of_one_path_is_refused_and_the_first_stays()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: true);
        MobilityPathRequest request = PathRequests.OverlaySource;
        await hosts.Source.PreparePathAsync(request, Cancel);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Source.PreparePathAsync(request, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, failure.Reason);
        Assert.Single(await hosts.Source.ListPathsAsync(Cancel));
    }

    [Fact]
    public async Task A_host_that_may_not_be_a_gateway_says_so_before_and_when_it_is_asked()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);

        HostDescription source = await hosts.Source.DescribeAsync(Cancel);
        HostDescription gateway = await hosts.Gateway.DescribeAsync(Cancel);
        var failure = await Assert.ThrowsAsync<MigrationException>(() => hosts.Source.PreparePathAsync(PathRequests.NatGateway, Cancel));
        IReadOnlyList<PreflightFinding> findings = await MobilityPathBroker.CheckAsync(
            MobilityPathKind.Nat, hosts.Gateway, hosts.Destination, hosts.Source, Cancel);

        Assert.Null(gateway.PathGatewayRefused);
        Assert.NotNull(source.PathGatewayRefused);
        Assert.Null(source.Paths[MobilityPathKind.Overlay]);
        Assert.Null(source.Paths[MobilityPathKind.Nat]);
        Assert.Equal([PathLab.SourceAddress.ToString()], source.PathAddresses);
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, failure.Reason);
        Assert.Contains(source.PathGatewayRefused, Assert.Single(findings).Message, StringComparison.Ordinal);
    }
}
