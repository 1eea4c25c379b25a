using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Functional.Tests.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>What the end of an agent, asked for or not, means to its VMs, its migrations and its clients.</summary>
[SupportedOSPlatform("linux")]
public sealed class AgentLifecycleTests : IAsyncLifetime
{
    private const long MiB = 1 << 20;

    private AgentLab lab = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => lab = await AgentLab.CreateAsync();

    public ValueTask DisposeAsync() => lab.DisposeAsync();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_guest_runs_on_without_its_agent_and_the_next_one_finds_it_again(bool orderly)
    {
        AgentProcess agent = await lab.StartAsync(new() { Name = "keeper" }, Cancel);
        await using RemoteHost host = await agent.ConnectAsync(Cancel);
        VmSpecification guest = await DemoGuestFixture.SpecifyAsync(Path.Combine(lab.Root, "guest"), "guest", Cancel);
        await host.CreateVmAsync(guest, Cancel);
        VmDescription vm = await host.StartVmAsync(guest.Id, Cancel);
        var console = new GuestConsole(vm.Instance!.SerialLogPath!);
        await console.WaitForTickAsync(1, Cancel);

        if (orderly) Assert.Equal(0, await agent.StopAsync(Cancel));
        else await agent.KillAsync();
        await console.WaitForTickAsync(console.LastTick() + 2, Cancel);
        await agent.StartAsync(Cancel);

        // By the connection of before: the agent is back at the same address.
        VmDescription found = await host.GetVmAsync(guest.Id, Cancel);
        Assert.Equal((VmState.Running, vm.Instance.ProcessId), (found.State, found.Instance!.ProcessId));
        Assert.Equal(VmState.Paused, (await host.PauseVmAsync(guest.Id, Cancel)).State);
        Assert.Equal(VmState.Running, (await host.ResumeVmAsync(guest.Id, Cancel)).State);
        await host.StopVmAsync(guest.Id, force: true, Cancel);
    }

    [Fact]
    public async Task A_stop_rolls_a_migration_back_and_tells_who_follows_it()
    {
        AgentProcess source = await lab.StartAsync(new() { Name = "source" }, Cancel);
        AgentProcess destination = await lab.StartAsync(new() { Name = "destination" }, Cancel);
        await using RemoteHost from = await source.ConnectAsync(Cancel), to = await destination.ConnectAsync(Cancel);
        MigrationStatus status = await StartSlowMigrationAsync(from, to);
        bool stopRequested = false;

        await foreach (MigrationStatus next in from.WatchMigrationAsync(status.Id, Cancel))
        {
            status = next;
            if (stopRequested) continue;
            source.RequestStop();
            stopRequested = true;
        }

        Assert.Equal((MigrationState.RolledBack, MigrationErrorReason.Cancelled), (status.State, status.ErrorReason));
        Assert.Equal(0, await source.WaitForExitAsync(Cancel));
        for (int look = 0; (await to.ListVmsAsync(Cancel)).Count > 0; look++)
        {
            Assert.True(look < 200, "The destination keeps a VM that was rolled back.");
            await Task.Delay(50, Cancel);
        }
    }

    [Fact]
    public async Task A_second_agent_on_a_directory_is_refused_and_the_first_goes_on()
    {
        AgentProcess first = await lab.StartAsync(new() { Name = "first" }, Cancel);
        AgentProcess second = lab.Add(new()
        {
            Name = "second", Configure = configuration => configuration["stateDirectory"] = first.StateDirectory,
        });

        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => second.StartAsync(Cancel));

        Assert.Contains("is in use by another host", refused.Message, StringComparison.Ordinal);
        Assert.Contains("exit code 1", refused.Message, StringComparison.Ordinal);
        await using RemoteHost host = await first.ConnectAsync(Cancel);
        Assert.Equal("first", host.Name);
    }

    [Fact]
    public async Task A_socket_has_its_permissions_replaces_a_dead_agents_and_is_removed_at_the_stop()
    {
        AgentProcess agent = lab.Add(new() { Name = "local", Configure = configuration => ListenOnSocket(configuration, "0600", null) });
        await agent.StartAsync(Cancel);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketOf(agent)));
        await AssertServesSocketAsync(agent);

        await agent.KillAsync();
        Assert.True(File.Exists(SocketOf(agent)));
        await agent.StartAsync(Cancel);
        await AssertServesSocketAsync(agent);

        Assert.Equal(0, await agent.StopAsync(Cancel));
        Assert.False(File.Exists(SocketOf(agent)));
    }

    [Fact]
    public async Task A_socket_that_another_process_listens_on_is_left_to_it()
    {
        using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        AgentProcess agent = lab.Add(new() { Name = "late", Configure = configuration => ListenOnSocket(configuration, "0660", null) });
        other.Bind(new UnixDomainSocketEndPoint(SocketOf(agent)));
        other.Listen();

        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => agent.StartAsync(Cancel));

        Assert.Contains($"Another process listens on '{SocketOf(agent)}'.", refused.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(SocketOf(agent)));
    }

    [Fact]
    public async Task A_file_that_is_no_socket_is_not_removed()
    {
        AgentProcess agent = lab.Add(new() { Name = "careful", Configure = configuration => ListenOnSocket(configuration, "0660", null) });
        await File.WriteAllTextAsync(SocketOf(agent), "precious", Cancel);

        await Assert.ThrowsAnyAsync<Exception>(() => agent.StartAsync(Cancel));

        Assert.Equal("precious", await File.ReadAllTextAsync(SocketOf(agent), Cancel));
    }

    [Fact]
    public async Task An_unknown_group_of_the_socket_is_an_error_of_the_configuration()
    {
        AgentProcess agent = lab.Add(new() { Name = "group", Configure = configuration => ListenOnSocket(configuration, "0660", "no-such-group") });

        Exception refused = await Assert.ThrowsAnyAsync<Exception>(() => agent.StartAsync(Cancel));

        Assert.Contains("exit code 2", refused.Message, StringComparison.Ordinal);
        Assert.Contains("This machine has no group 'no-such-group'.", refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(SocketOf(agent)));
    }

    private static string SocketOf(AgentProcess agent) => agent.UnixSocketPath;

    private static void ListenOnSocket(JsonObject configuration, string mode, string? group)
    {
        JsonObject socket = new() { ["path"] = "agent.sock", ["mode"] = mode };
        if (group is not null) socket["group"] = group;
        configuration["control"]!["unixSocket"] = socket;
    }

    private static async Task AssertServesSocketAsync(AgentProcess agent)
    {
        await using RemoteHost host = await RemoteHost.ConnectAsync(new() { Uri = new($"unix://{SocketOf(agent)}") }, Cancel);
        Assert.Equal(agent.Name, host.Name);
    }

    private static async Task<MigrationStatus> StartSlowMigrationAsync(RemoteHost from, RemoteHost to)
    {
        var vm = new VmSpecification
        {
            Name = "slow",
            MemoryBytes = 64 * MiB,
            Embedded = new EmbeddedGuest { Program = GuestProgramKind.SequentialWriter, StepsPerSecond = 100_000, WorkingSetBytes = 64 * MiB },
        };
        await from.CreateVmAsync(vm, Cancel);
        await from.StartVmAsync(vm.Id, Cancel);
        MigrationStatus status = await MigrationBroker.StartAsync(from, vm.Id, to, new() { MaxBytesPerSecond = MiB }, Cancel);
        await foreach (MigrationStatus next in from.WatchMigrationAsync(status.Id, Cancel))
        {
            if (next.State != MigrationState.Setup) return next;
        }

        throw new InvalidOperationException("The migration ended without a status.");
    }
}
