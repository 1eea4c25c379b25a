using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Paths;

public class MobilityPathTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(MobilityPathKind.Overlay)]
    [InlineData(MobilityPathKind.Nat)]
    public async Task A_path_answers_and_leaves_every_network_as_it_was(MobilityPathKind kind)
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: kind == MobilityPathKind.Overlay);
        string[] before = await DescribeAllAsync(hosts);

        MobilityPath path = await CreateAsync(hosts, kind);
        TimeSpan? roundTrip = await MobilityPathBroker.TestAsync(path.PathId, hosts.Source, Cancel);
        IReadOnlyList<MobilityPath> listed = await MobilityPathBroker.ListAsync([hosts.Source, hosts.Gateway, hosts.Destination], Cancel);
        await MobilityPathBroker.RemoveAsync(path.PathId, [hosts.Source, hosts.Gateway, hosts.Destination], Cancel);

        Assert.NotNull(roundTrip);
        Assert.Equal(path.PathId, Assert.Single(listed).PathId);
        Assert.Equal(kind == MobilityPathKind.Nat ? 3 : 2, listed[0].Ends.Count);
        await AssertAllAsBeforeAsync(before, hosts);
        Assert.Empty(await MobilityPathBroker.ListAsync([hosts.Source, hosts.Gateway, hosts.Destination], Cancel));
    }

    [Theory]
    [InlineData(MobilityPathKind.Overlay)]
    [InlineData(MobilityPathKind.Nat)]
    public async Task A_vm_migrates_over_a_path_that_is_made_for_it_and_goes_with_it(MobilityPathKind kind)
    {
        await using LabHosts hosts = await LabHosts.OpenAsync(forwarded: kind == MobilityPathKind.Overlay);
        string[] before = await DescribeAllAsync(hosts);
        VmDescription vm = await StartVmAsync(hosts.Source);

        MigrationStatus status = await MigrationBroker.StartAsync(
            hosts.Source, vm.Specification.Id, hosts.Destination, new() { VerifyMemory = true },
            MobilityPathChoice.Make(kind, kind == MobilityPathKind.Nat ? hosts.Gateway : null), Cancel);
        status = await EndAsync(hosts.Source, status.Id);

        Assert.True(status.State == MigrationState.Completed, status.ErrorMessage);
        Assert.Equal(kind, status.Result!.PathKind);
        Assert.True(status.Result.PathSetup > TimeSpan.Zero);
        Assert.Equal(VmState.Running, (await hosts.Destination.GetVmAsync(vm.Specification.Id, Cancel)).State);
        await AssertAllAsBeforeAsync(before, hosts);
    }

    private static Task<MobilityPath> CreateAsync(LabHosts hosts, MobilityPathKind kind) => MobilityPathBroker.CreateAsync(
        kind, hosts.Source, hosts.Destination, kind == MobilityPathKind.Nat ? hosts.Gateway : null, Cancel);

    private static async Task<VmDescription> StartVmAsync(LocalHost host)
    {
        var specification = new VmSpecification
        {
            Name = "guest",
            MemoryBytes = 32 << 20,
            Embedded = new() { Program = GuestProgramKind.HotSetWriter, WorkingSetBytes = 8 << 20 },
        };
        VmDescription vm = await host.CreateVmAsync(specification, Cancel);
        return await host.StartVmAsync(vm.Specification.Id, Cancel);
    }

    private static async Task<MigrationStatus> EndAsync(LocalHost source, Guid migrationId)
    {
        MigrationStatus? last = null;
        await foreach (MigrationStatus status in source.WatchMigrationAsync(migrationId, Cancel)) last = status;
        return last!;
    }

    private static async Task<string[]> DescribeAllAsync(LabHosts hosts) =>
    [
        await PathLab.DescribeAsync(hosts.Lab.Source), await PathLab.DescribeAsync(hosts.Lab.Gateway),
        await PathLab.DescribeAsync(hosts.Lab.Destination),
    ];

    private static async Task AssertAllAsBeforeAsync(string[] before, LabHosts hosts)
    {
        await PathLab.AssertAsBeforeAsync(before[0], hosts.Lab.Source);
        await PathLab.AssertAsBeforeAsync(before[1], hosts.Lab.Gateway);
        await PathLab.AssertAsBeforeAsync(before[2], hosts.Lab.Destination);
    }
}
