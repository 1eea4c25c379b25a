using System.Text.Json;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Paths;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public sealed class RemoteHostTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_vm_lives_at_the_agent_as_it_lives_here()
    {
        using var directory = new ScratchDirectory();
        LocalHost local = await LocalHost.OpenAsync(new() { Name = "far" }, Cancel);
        await using ServedHost agent = await ServedHost.StartAsync(local, directory);
        await using RemoteHost remote = await agent.ConnectAsync();
        VmSpecification specification = SampleVms.Embedded();

        Assert.Equal("far", remote.Name);
        HostDescription here = await local.DescribeAsync(Cancel);
        HostDescription there = await remote.DescribeAsync(Cancel);
        AssertSame(here with { AvailableMemoryBytes = 0 }, there with { AvailableMemoryBytes = 0 });

        Assert.Empty(await remote.ListVmsAsync(Cancel));
        Assert.Equal(VmState.Stopped, (await remote.CreateVmAsync(specification, Cancel)).State);
        Assert.Equal(VmState.Running, (await remote.StartVmAsync(specification.Id, Cancel)).State);
        AssertSame(await local.GetVmAsync(specification.Id, Cancel), await remote.GetVmAsync(specification.Id, Cancel));
        AssertSame(await local.ListVmsAsync(Cancel), await remote.ListVmsAsync(Cancel));
        Assert.Equal(VmState.Paused, (await remote.PauseVmAsync(specification.Id, Cancel)).State);
        Assert.Equal(VmState.Running, (await remote.ResumeVmAsync(specification.Id, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await remote.StopVmAsync(specification.Id, force: true, Cancel)).State);
        await remote.RemoveVmAsync(specification.Id, Cancel);
        Assert.Empty(await local.ListVmsAsync(Cancel));
    }

    [Fact]
    public async Task Memory_is_looked_at_and_poisoned_at_the_agent()
    {
        using var directory = new ScratchDirectory();
        LocalHost local = await LocalHost.OpenAsync(new() { Name = "far" }, Cancel);
        await using ServedHost agent = await ServedHost.StartAsync(local, directory);
        await using RemoteHost remote = await agent.ConnectAsync();
        VmSpecification specification = SampleVms.Embedded();
        await remote.CreateVmAsync(specification, Cancel);
        await remote.StartVmAsync(specification.Id, Cancel);

        // A guest that runs touches memory between two looks.
        await remote.PauseVmAsync(specification.Id, Cancel);
        Assert.Equal(await local.ReadLargePagesAsync(specification.Id, Cancel), await remote.ReadLargePagesAsync(specification.Id, Cancel));
        PoisonedPage added = Assert.Single(await remote.AddPoisonedPagesAsync(specification.Id, [12_345], Cancel));
        Assert.Equal((3L, PoisonSource.Injected), (added.Page, added.Source));
        AssertSame(await local.ListPoisonedPagesAsync(specification.Id, Cancel),
            await remote.ListPoisonedPagesAsync(specification.Id, Cancel));
    }

    [Fact]
    public async Task Failures_keep_their_reason_message_and_next_step()
    {
        using var directory = new ScratchDirectory();
        LocalHost local = await LocalHost.OpenAsync(new() { Name = "far" }, Cancel);
        await using ServedHost agent = await ServedHost.StartAsync(local, directory);
        await using RemoteHost remote = await agent.ConnectAsync();
        VmSpecification vm = SampleVms.Embedded();
        await local.CreateVmAsync(vm, Cancel);
        Func<IMigrationHost, Task>[] failing =
        [
            host => host.GetVmAsync(Guid.Empty, Cancel),
            host => host.CreateVmAsync(vm with { Id = Guid.NewGuid() }, Cancel),
            host => host.CreateVmAsync(SampleVms.Embedded("bad name"), Cancel),
            host => host.CreateVmAsync(SampleVms.Embedded("odd", memoryBytes: 12_345), Cancel),
            host => host.PauseVmAsync(vm.Id, Cancel),
            host => host.RegisterVmAsync(new(null, "/nowhere/qmp.sock"), Cancel),
            host => host.ListPoisonedPagesAsync(vm.Id, Cancel),
            host => host.AddPoisonedPagesAsync(vm.Id, [0], Cancel),
            host => host.GetMigrationAsync(Guid.Empty, Cancel),
            host => host.CancelMigrationAsync(Guid.Empty, Cancel),
            host => host.ResumeMigrationAsync(Guid.Empty, force: true, Cancel),
            host => host.GetIncomingOutcomeAsync(Guid.Empty, Cancel),
            host => host.SettleMigrationAsync(Guid.Empty, Engine.Protocol.MigrationOutcome.Pending, Cancel),
            async host => await host.WatchMigrationAsync(Guid.Empty, Cancel).GetAsyncEnumerator(Cancel).MoveNextAsync(),
            host => host.ProbePathAsync(Guid.Empty, Cancel),
            host => host.PreparePathAsync(Path(MobilityPathKind.Direct), Cancel),
        ];
        Assert.All(failing, fail =>
        {
            MigrationException here = Assert.ThrowsAny<MigrationException>(() => fail(local).GetAwaiter().GetResult());
            MigrationException there = Assert.ThrowsAny<MigrationException>(() => fail(remote).GetAwaiter().GetResult());
            Assert.Equal((here.Reason, here.Message, here.RecommendedAction), (there.Reason, there.Message, there.RecommendedAction));
        });
    }

    [Fact]
    public async Task What_does_nothing_where_there_is_nothing_does_so_at_the_agent()
    {
        using var directory = new ScratchDirectory();
        await using ServedHost agent = await ServedHost.StartAsync(await LocalHost.OpenAsync(new() { Name = "far" }, Cancel), directory);
        await using RemoteHost remote = await agent.ConnectAsync();

        await remote.WithdrawIncomingAsync(Guid.NewGuid(), Cancel);
        await remote.RemovePathAsync(Guid.NewGuid(), Cancel);
        Assert.Empty(await remote.ListPathsAsync(Cancel));
        Assert.Empty(await remote.ListMigrationsAsync(Cancel));
    }

    [Fact]
    public async Task Disposing_the_client_ends_its_calls_and_no_vm()
    {
        using var directory = new ScratchDirectory();
        LocalHost local = await LocalHost.OpenAsync(new() { Name = "far" }, Cancel);
        await using ServedHost agent = await ServedHost.StartAsync(local, directory);
        RemoteHost remote = await agent.ConnectAsync();
        VmSpecification specification = SampleVms.Embedded();
        await remote.CreateVmAsync(specification, Cancel);
        await remote.StartVmAsync(specification.Id, Cancel);

        await remote.DisposeAsync();
        await remote.DisposeAsync();

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => remote.ListVmsAsync(Cancel));
        Assert.Equal(MigrationErrorReason.InvalidState, error.Reason);
        Assert.Equal(VmState.Running, (await local.GetVmAsync(specification.Id, Cancel)).State);
    }

    [Theory]
    [InlineData("http://localhost:5000")]
    [InlineData("ftp://localhost")]
    [InlineData("agent.sock")]
    public async Task An_address_of_another_kind_is_refused(string address)
    {
        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => RemoteHost.ConnectAsync(new() { Uri = new Uri(address, UriKind.RelativeOrAbsolute) }, Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, error.Reason);
        Assert.Contains("https://name:port", error.RecommendedAction, StringComparison.Ordinal);
    }

    private static MobilityPathRequest Path(MobilityPathKind kind) => new()
    {
        PathId = Guid.NewGuid(), Kind = kind, Role = MobilityPathRole.Source, SourceHostName = "far", DestinationHostName = "there",
        SourceVirtualAddress = "fd00::1", DestinationVirtualAddress = "fd00::2", DataPort = 5000,
    };

    private static void AssertSame<T>(T expected, T actual) =>
        Assert.Equal(JsonSerializer.Serialize(expected), JsonSerializer.Serialize(actual));
}
