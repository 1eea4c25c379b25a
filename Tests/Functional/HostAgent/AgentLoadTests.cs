using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>Many clients and many migrations at a time on one pair of agents.</summary>
public sealed class AgentLoadTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int ClientCount = 200;
    private const int CallsPerClient = 5;
    private const int MigrationCount = 20;
    private const long MiB = 1 << 20;
    private const long VmBytes = 16 * MiB;

    /// <summary>What an agent may take beside the memory of its VMs.</summary>
    private const long AgentBoundBytes = 320 * MiB;

    private AgentLab lab = null!;
    private AgentProcess source = null!;
    private AgentProcess destination = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        lab = await AgentLab.CreateAsync();
        source = await lab.StartAsync(new() { Name = "source" }, Cancel);
        destination = await lab.StartAsync(new() { Name = "destination" }, Cancel);
    }

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Fact]
    public async Task Two_hundred_clients_at_a_time_are_all_served_within_a_bound_of_memory()
    {
        using var ready = new CountdownEvent(ClientCount);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        int[] served = await Task.WhenAll(Enumerable.Range(0, ClientCount).Select(async number =>
        {
            await using RemoteHost host = await source.ConnectAsync(Cancel);

            // Nobody begins before everybody is connected.
            if (ready.Signal()) all.SetResult();
            await all.Task.WaitAsync(TimeSpan.FromMinutes(2), Cancel);
            int answers = 0;
            for (int call = 0; call < CallsPerClient; call++)
            {
                if ((await host.ListVmsAsync(Cancel)).Count == 0) answers++;
            }

            return answers;
        }));

        Assert.Equal(ClientCount * CallsPerClient, served.Sum());
        AssertMemory(source, 0);
        Assert.Equal(0, await source.StopAsync(Cancel));
    }

    [Fact]
    public async Task Twenty_migrations_at_a_time_all_complete_within_a_bound_of_memory()
    {
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        VmSpecification[] vms = [.. Enumerable.Range(1, MigrationCount).Select(Specify)];
        foreach (VmSpecification vm in vms)
        {
            await from.CreateVmAsync(vm, Cancel);
            await from.StartVmAsync(vm.Id, Cancel);
        }

        MigrationStatus[] ends = await Task.WhenAll(vms.Select(vm => MigrateAsync(from, to, vm.Id)));

        Assert.All(ends, end => Assert.True(end.State == MigrationState.Completed, $"{end.VmName}: {end.State}: {end.ErrorMessage}"));
        Assert.All(ends, end => Assert.True(end.Result!.MemoryVerified));
        Assert.Empty(await from.ListVmsAsync(Cancel));
        IReadOnlyList<VmDescription> arrived = await to.ListVmsAsync(Cancel);
        Assert.Equal(vms.Select(vm => vm.Id).Order(), arrived.Select(vm => vm.Specification.Id).Order());
        Assert.All(arrived, vm => Assert.Equal(VmState.Running, vm.State));
        AssertMemory(source, MigrationCount * VmBytes);
        AssertMemory(destination, MigrationCount * VmBytes);
    }

    private static VmSpecification Specify(int number) => new()
    {
        Name = $"vm{number:D2}",
        MemoryBytes = VmBytes,
        Embedded = new EmbeddedGuest { Program = GuestProgramKind.HotSetWriter, WorkingSetBytes = MiB, StepsPerSecond = 2000 },
    };

    private static async Task<MigrationStatus> MigrateAsync(RemoteHost from, RemoteHost to, Guid vmId)
    {
        MigrationStatus status = await MigrationBroker.StartAsync(
            from, vmId, to, new() { VerifyMemory = true, DowntimeLimit = TimeSpan.FromSeconds(5) }, Cancel);
        await foreach (MigrationStatus next in from.WatchMigrationAsync(status.Id, Cancel)) status = next;
        return status;
    }

    private void AssertMemory(AgentProcess agent, long vmBytes)
    {
        long peak = agent.ReadMemory("VmHWM"), bound = vmBytes + AgentBoundBytes;
        output.WriteLine($"{agent.Name}: peak {peak / MiB} MiB, now {agent.ReadMemory("VmRSS") / MiB} MiB, bound {bound / MiB} MiB");
        Assert.InRange(peak, 1, bound);
    }
}
