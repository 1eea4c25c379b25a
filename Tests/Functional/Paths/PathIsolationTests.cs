using System.Net;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using VmMigration.Functional.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Paths;

/// <summary>A Linux guest moves between agents in networks of their own; every packet and every socket on the way is looked at.</summary>
public sealed class PathIsolationTests
{
    // A guest of which 96 MiB travel: whatever capture read saw the data, not only a greeting.
    private const int LeastPackets = 50;

    private static readonly TimeSpan clearLimit = TimeSpan.FromSeconds(30);

    private static readonly IPAddress sourceAddress = IPAddress.Parse(NetworkLab.SourceAddress);
    private static readonly IPAddress destinationAddress = IPAddress.Parse(NetworkLab.DestinationAddress);
    private static readonly IPAddress gatewayAddressOfSource = IPAddress.Parse(NetworkLab.GatewayAddressOfSource);
    private static readonly IPAddress gatewayAddressOfDestination = IPAddress.Parse(NetworkLab.GatewayAddressOfDestination);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Over_an_overlay_the_mobility_networks_see_virtual_addresses_only()
    {
        await using LabAgents lab = await LabAgents.StartAsync(MobilityPathKind.Overlay, Cancel);
        VmDescription vm = await lab.BootAsync(Cancel);
        MobilityPath path = await MobilityPathBroker.CreateAsync(MobilityPathKind.Overlay, lab.Source, lab.Destination, null, Cancel);
        MobilityPathRequest request = path.Ends[lab.Source.Name].Request;

        Observation ofSource = Observation.Of(NetworkNamespace.Open(Assert.Single(LabAgents.FindHeldNetworks(lab.SourceAgent))));
        Observation ofDestination = Observation.Of(NetworkNamespace.Open(Assert.Single(LabAgents.FindHeldNetworks(lab.DestinationAgent))));
        // Whoever looks into a network keeps it.
        using (ofSource)
        using (ofDestination)
        {
            await MigrateAsync(lab, vm, path, MobilityPathKind.Overlay);
        }

        await lab.AssertNothingIsLeftAsync(clearLimit, Cancel);

        IPAddress[] physical = [sourceAddress, destinationAddress, gatewayAddressOfSource, gatewayAddressOfDestination];
        foreach (Observation observation in new[] { ofSource, ofDestination })
        {
            observation.AssertCarried(IPAddress.Parse(request.SourceVirtualAddress), IPAddress.Parse(request.DestinationVirtualAddress), LeastPackets);
            observation.AssertUnseen(physical);
        }
    }

    [Fact]
    public async Task Over_a_gateway_neither_host_sees_the_address_of_the_other_anywhere()
    {
        await using LabAgents lab = await LabAgents.StartAsync(MobilityPathKind.Nat, Cancel);
        VmDescription vm = await lab.BootAsync(Cancel);

        // From before the path is made until it is gone.
        Observation ofSource = Observation.Of(NetworkNamespace.Open(lab.Network.Source.Path));
        Observation ofDestination = Observation.Of(NetworkNamespace.Open(lab.Network.Destination.Path));
        MobilityPath path = await MobilityPathBroker.CreateAsync(MobilityPathKind.Nat, lab.Source, lab.Destination, lab.Gateway, Cancel);
        MobilityPathRequest request = path.Ends[lab.Source.Name].Request;
        Assert.Empty(LabAgents.FindHeldNetworks(lab.SourceAgent));
        using (ofSource)
        using (ofDestination)
        {
            await MigrateAsync(lab, vm, path, MobilityPathKind.Nat);
            await lab.AssertNothingIsLeftAsync(clearLimit, Cancel);
        }

        ofSource.AssertCarried(sourceAddress, IPAddress.Parse(request.DestinationVirtualAddress), LeastPackets);
        ofSource.AssertUnseen(destinationAddress, gatewayAddressOfDestination);
        ofDestination.AssertCarried(IPAddress.Parse(request.SourceVirtualAddress), destinationAddress, LeastPackets);
        ofDestination.AssertUnseen(sourceAddress, gatewayAddressOfSource);
    }

    [Theory]
    [InlineData(MobilityPathKind.Overlay)]
    [InlineData(MobilityPathKind.Nat)]
    public async Task A_path_that_no_migration_took_goes_when_it_is_removed(MobilityPathKind kind)
    {
        await using LabAgents lab = await LabAgents.StartAsync(kind, Cancel);
        MobilityPath path = await MobilityPathBroker.CreateAsync(kind, lab.Source, lab.Destination, lab.GatewayOf(kind), Cancel);
        Assert.NotNull(await MobilityPathBroker.TestAsync(path.PathId, lab.Source, Cancel));
        await MobilityPathBroker.RemoveAsync(path.PathId, [lab.Source, lab.Gateway, lab.Destination], Cancel);
        await lab.AssertNothingIsLeftAsync(clearLimit, Cancel);
    }

    private static async Task MigrateAsync(LabAgents lab, VmDescription vm, MobilityPath path, MobilityPathKind kind)
    {
        MigrationStatus status = await MigrationBroker.StartAsync(
            lab.Source, vm.Specification.Id, lab.Destination,
            new() { VerifyMemory = true, DowntimeLimit = TimeSpan.FromSeconds(2) }, MobilityPathChoice.Existing(path.PathId), Cancel);
        status = await LabAgents.WaitAsync(lab.Source, status.Id, Cancel);
        Assert.True(status.State == MigrationState.Completed, $"{status.State}: {status.ErrorMessage}");
        Assert.True(status.Result!.MemoryVerified);
        Assert.Equal(kind, status.Result.PathKind);
        await QemuHostPair.AssertTicksAsync(lab.Destination, vm.Specification.Id, Cancel);
    }
}
