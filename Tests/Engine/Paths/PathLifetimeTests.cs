using System.Net.Sockets;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

/// <summary>When ends go: with their migration, with their hosts, or because nobody needs them.</summary>
public class PathLifetimeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_end_that_no_migration_takes_up_goes_by_itself()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(
            forwarded: true, options => options with { PathUnusedLimit = TimeSpan.FromMilliseconds(100) });
        string before = await PathLab.DescribeAsync(hosts.Lab.Source);

        await hosts.Source.PreparePathAsync(PathRequests.OverlaySource, Cancel);

        await WaitUntilNoneAsync([hosts.Source]);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Source);
    }

    [Fact]
    public async Task A_gateway_whose_hosts_never_speak_forgets_the_path_and_forwards_no_more()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(
            forwarded: false, options => options with { PathGatewayIdleLimit = TimeSpan.FromMilliseconds(100) });
        string before = await PathLab.DescribeAsync(hosts.Lab.Gateway);

        await hosts.Gateway.PreparePathAsync(PathRequests.NatGateway, Cancel);
        Assert.True(new Ipv4Forwarding(hosts.Lab.Gateway).IsOn);

        await WaitUntilNoneAsync([hosts.Gateway]);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Gateway);
    }

    [Fact]
    public async Task A_gateway_keeps_the_path_as_long_as_a_host_has_its_end()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(
            forwarded: false, options => options with { PathGatewayIdleLimit = TimeSpan.FromSeconds(4) });
        MobilityPathRequest source = PathRequests.NatSource;
        await hosts.Gateway.PreparePathAsync(PathRequests.NatGateway with { PathId = source.PathId }, Cancel);
        await hosts.Source.PreparePathAsync(source, Cancel);

        await Task.Delay(TimeSpan.FromSeconds(9), Cancel);

        Assert.Single(await hosts.Gateway.ListPathsAsync(Cancel));
    }

    [Fact]
    public async Task A_host_that_closes_removes_its_ends_and_says_so_to_the_gateway()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        string beforeSource = await PathLab.DescribeAsync(hosts.Lab.Source);
        string beforeGateway = await PathLab.DescribeAsync(hosts.Lab.Gateway);
        await MobilityPathBroker.CreateAsync(MobilityPathKind.Nat, hosts.Source, hosts.Destination, hosts.Gateway, Cancel);

        await hosts.Source.DisposeAsync();
        await hosts.Destination.DisposeAsync();

        await WaitUntilNoneAsync([hosts.Gateway]);
        await PathLab.AssertAsBeforeAsync(beforeSource, hosts.Lab.Source);
        await PathLab.AssertAsBeforeAsync(beforeGateway, hosts.Lab.Gateway);
    }

    [Theory]
    [InlineData(MobilityPathKind.Overlay)]
    [InlineData(MobilityPathKind.Nat)]
    public async Task A_path_in_use_is_not_removed_and_goes_with_a_migration_that_is_cancelled(MobilityPathKind kind)
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: kind == MobilityPathKind.Overlay);
        string before = await PathLab.DescribeAsync(hosts.Lab.Gateway);
        IMigrationHost[] all = [hosts.Source, hosts.Gateway, hosts.Destination];
        MobilityPath path = await MobilityPathBroker.CreateAsync(
            kind, hosts.Source, hosts.Destination, kind == MobilityPathKind.Nat ? hosts.Gateway : null, Cancel);
        Guid vmId = await StartVmAsync(hosts.Source);
        MigrationStatus migration = await MigrationBroker.StartAsync(
            hosts.Source, vmId, hosts.Destination, new() { MaxBytesPerSecond = 1 << 20 }, MobilityPathChoice.Existing(path.PathId), Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => MobilityPathBroker.RemoveAsync(path.PathId, all, Cancel));
        MobilityPath used = Assert.Single(await MobilityPathBroker.ListAsync(all, Cancel));
        var second = await Assert.ThrowsAsync<MigrationException>(() => MigrationBroker.StartAsync(
            hosts.Source, vmId, hosts.Destination, new(), MobilityPathChoice.Existing(path.PathId), Cancel));
        await foreach (MigrationStatus status in hosts.Source.WatchMigrationAsync(migration.Id, Cancel))
        {
            // Before that the destination cannot be told: its offer waits for a source until it expires.
            if (status.State != MigrationState.Setup) break;
        }

        await hosts.Source.CancelMigrationAsync(migration.Id, Cancel);

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Equal(migration.Id, used.Ends["source"].MigrationId);
        Assert.Equal(MobilityPathState.InUse, used.Ends["destination"].State);
        Assert.Equal(MigrationErrorReason.PreflightFailed, second.Reason);
        await WaitUntilNoneAsync(all);
        await PathLab.AssertAsBeforeAsync(before, hosts.Lab.Gateway);
        Assert.Equal(VmState.Running, (await hosts.Source.GetVmAsync(vmId, Cancel)).State);
    }

    [Fact]
    public async Task Over_a_gateway_neither_side_sees_the_physical_address_of_the_other()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        await MobilityPathBroker.CreateAsync(MobilityPathKind.Nat, hosts.Source, hosts.Destination, hosts.Gateway, Cancel);
        MobilityPathRequest ofSource = Assert.Single(await hosts.Source.ListPathsAsync(Cancel)).Request;
        using Socket socket = hosts.Lab.Source.Open(AddressFamily.InterNetwork);
        await socket.ConnectAsync(ofSource.DestinationVirtualAddress, ofSource.DataPort, Cancel);

        string[] atSource = Peers(hosts.Lab.Source);
        string[] atDestination = Peers(hosts.Lab.Destination);

        Assert.Contains(ToTableText(ofSource.DestinationVirtualAddress), atSource);
        Assert.DoesNotContain(ToTableText(PathLab.DestinationAddress.ToString()), atSource);
        Assert.Contains(ToTableText(ofSource.SourceVirtualAddress), atDestination);
        Assert.DoesNotContain(ToTableText(PathLab.SourceAddress.ToString()), atDestination);
    }

    [Fact]
    public async Task A_gateway_passes_nothing_on_but_the_connections_of_the_path()
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: false);
        await PathLab.IpAsync(hosts.Lab.Source, $"route add default via {PathLab.GatewayToSource}\n");
        await PathLab.IpAsync(hosts.Lab.Destination, $"route add default via {PathLab.GatewayToDestination}\n");
        await MobilityPathBroker.CreateAsync(MobilityPathKind.Nat, hosts.Source, hosts.Destination, hosts.Gateway, Cancel);
        MobilityPathRequest ofSource = Assert.Single(await hosts.Source.ListPathsAsync(Cancel)).Request;

        Assert.True(await ReachesAsync(hosts, ofSource.DestinationVirtualAddress, ofSource.DataPort));
        Assert.False(await ReachesAsync(hosts, ofSource.DestinationVirtualAddress, ofSource.DataPort ^ 1));
        Assert.False(await ReachesAsync(hosts, PathLab.DestinationAddress.ToString(), ofSource.DataPort));
    }

    /// <summary>Whether anything answers, a refusal included.</summary>
    private static async Task<bool> ReachesAsync(LabHosts hosts, string address, int port)
    {
        using Socket socket = hosts.Lab.Source.Open(AddressFamily.InterNetwork);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            await socket.ConnectAsync(address, port, limit.Token);
            return true;
        }
        catch (OperationCanceledException) when (!Cancel.IsCancellationRequested)
        {
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    /// <summary>The remote addresses of a network's connections, as /proc/net/tcp of proc(5) writes them.</summary>
    private static string[] Peers(PathNetwork network) => network.Run(() => File.ReadAllLines("/proc/thread-self/net/tcp").Skip(1)
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2].Split(':')[0]).ToArray());

    private static string ToTableText(string address) =>
        Convert.ToHexString([.. System.Net.IPAddress.Parse(address).GetAddressBytes().Reverse()]);

    private static async Task WaitUntilNoneAsync(IMigrationHost[] hosts)
    {
        for (int i = 0; i < 100 && (await MobilityPathBroker.ListAsync(hosts, Cancel)).Count > 0; i++) await Task.Delay(100, Cancel);
        Assert.Empty((await MobilityPathBroker.ListAsync(hosts, Cancel)).SelectMany(path => path.Ends.Select(end => $"{end.Key}: {end.Value}")));
    }

    private static async Task<Guid> StartVmAsync(LocalHost host)
    {
        VmDescription vm = await host.CreateVmAsync(
            new() { Name = "guest", MemoryBytes = 32 << 20, Embedded = new() { Program = GuestProgramKind.SequentialWriter } }, Cancel);
        await host.StartVmAsync(vm.Specification.Id, Cancel);
        return vm.Specification.Id;
    }
}
