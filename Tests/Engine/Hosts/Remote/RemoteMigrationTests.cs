using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public sealed class RemoteMigrationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_vm_moves_between_two_agents_and_the_client_sees_every_state()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        VmDescription vm = await pair.StartVmAsync();

        PreflightReport report = await MigrationBroker.CheckAsync(pair.Source, vm.Specification.Id, pair.Destination, new(), Cancel);
        Assert.DoesNotContain(report.Findings, finding => finding.Severity == PreflightSeverity.Error);
        MigrationStatus started = await MigrationBroker.StartAsync(
            pair.Source, vm.Specification.Id, pair.Destination, new() { VerifyMemory = true }, Cancel);
        List<MigrationState> states = await pair.Source.WatchMigrationAsync(started.Id, Cancel)
            .Select(status => status.State).ToListAsync(Cancel);

        Assert.Equal(MigrationState.Completed, states[^1]);
        Assert.Equal(states.Order(), states);
        MigrationStatus ended = await pair.Source.GetMigrationAsync(started.Id, Cancel);
        Assert.True(ended.Result!.MemoryVerified);
        Assert.Equal(ended.Id, Assert.Single(await pair.Source.ListMigrationsAsync(Cancel)).Id);
        Assert.Equal(MigrationOutcome.DestinationOwns, await pair.Destination.GetIncomingOutcomeAsync(started.Id, Cancel));
        Assert.Empty(await pair.Source.ListVmsAsync(Cancel));
        Assert.Equal(VmState.Running, Assert.Single(await pair.Destination.ListVmsAsync(Cancel)).State);
    }

    [Fact]
    public async Task Hosts_of_one_name_are_taken_for_the_same_host()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        await using RemoteHost again = await pair.SourceAgent.ConnectAsync();
        VmDescription vm = await pair.StartVmAsync();

        PreflightReport report = await MigrationBroker.CheckAsync(pair.Source, vm.Specification.Id, again, new(), Cancel);

        Assert.Contains(report.Findings, finding => finding.Check == "DifferentHosts" && finding.Severity == PreflightSeverity.Error);
    }

    [Fact]
    public async Task A_watch_goes_on_after_the_connection_was_cut_and_sees_the_end()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        MigrationStatus started = await pair.StartSlowMigrationAsync();
        await using IAsyncEnumerator<MigrationStatus> watch = pair.Source.WatchMigrationAsync(started.Id, Cancel)
            .GetAsyncEnumerator(Cancel);
        Assert.True(await watch.MoveNextAsync());

        await pair.SourceAgent.CutAsync();
        await pair.SourceAgent.ListenAsync();

        MigrationStatus last = watch.Current;
        while (await watch.MoveNextAsync()) last = watch.Current;
        Assert.Equal(MigrationState.Completed, last.State);
    }

    [Fact]
    public async Task A_watch_whose_agent_stays_away_ends_with_a_next_step_after_its_limit()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        await using RemoteHost impatient = await RemoteHost.ConnectAsync(
            pair.SourceAgent.Options with { ReconnectTimeLimit = TimeSpan.FromMilliseconds(500) }, Cancel);
        MigrationStatus started = await pair.StartSlowMigrationAsync();
        await using IAsyncEnumerator<MigrationStatus> watch = impatient.WatchMigrationAsync(started.Id, Cancel).GetAsyncEnumerator(Cancel);
        Assert.True(await watch.MoveNextAsync());

        await pair.SourceAgent.CutAsync();

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(async () =>
        {
            while (await watch.MoveNextAsync())
            {
            }
        });
        AssertLost(error);
    }

    [Fact]
    public async Task Calls_to_an_agent_that_is_gone_say_so_and_work_again_once_it_is_back()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        VmDescription vm = await pair.StartVmAsync();
        await pair.SourceAgent.CutAsync();

        AssertLost(await Assert.ThrowsAsync<MigrationException>(() => pair.Source.ListVmsAsync(Cancel)));
        AssertLost(await Assert.ThrowsAsync<MigrationException>(() => pair.Source.PauseVmAsync(vm.Specification.Id, Cancel)));
        AssertLost(await Assert.ThrowsAsync<MigrationException>(
            () => MigrationBroker.StartAsync(pair.Source, vm.Specification.Id, pair.Destination, new(), Cancel)));
        await pair.SourceAgent.ListenAsync();

        Assert.Equal(VmState.Running, (await pair.Source.GetVmAsync(vm.Specification.Id, Cancel)).State);
        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(
            async () => { await pair.SourceAgent.CutAsync(); await pair.SourceAgent.ConnectAsync(); });
        AssertLost(refused);
    }

    [Fact]
    public async Task A_migration_is_cancelled_at_its_source_and_the_watch_sees_it_rolled_back()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        MigrationStatus started = await pair.StartSlowMigrationAsync();

        MigrationStatus ended = await pair.Source.CancelMigrationAsync(started.Id, Cancel);

        Assert.Equal((MigrationState.RolledBack, MigrationErrorReason.Cancelled), (ended.State, ended.ErrorReason));
        MigrationStatus seen = Assert.Single(await pair.Source.WatchMigrationAsync(started.Id, Cancel).ToListAsync(Cancel));
        Assert.Equal(MigrationState.RolledBack, seen.State);
        Assert.Equal(VmState.Running, Assert.Single(await pair.Source.ListVmsAsync(Cancel)).State);
    }

    [Fact]
    public async Task A_caller_that_stops_watching_leaves_the_migration_going()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        MigrationStatus started = await pair.StartSlowMigrationAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (MigrationStatus _ in pair.Source.WatchMigrationAsync(started.Id, stop.Token)) await stop.CancelAsync();
        });
        await foreach (MigrationStatus _ in pair.Source.WatchMigrationAsync(started.Id, Cancel)) break;

        MigrationStatus last = await pair.Source.WatchMigrationAsync(started.Id, Cancel).LastAsync(Cancel);
        Assert.Equal(MigrationState.Completed, last.State);
    }

    [Fact]
    public async Task A_session_that_is_disconnected_leaves_the_migration_going()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        MigrationStatus started = await pair.StartSlowMigrationAsync();
        await pair.Source.DisposeAsync();
        await pair.Destination.DisposeAsync();

        await using RemoteHost next = await pair.SourceAgent.ConnectAsync();
        MigrationStatus last = await next.WatchMigrationAsync(started.Id, Cancel).LastAsync(Cancel);

        Assert.Equal(MigrationState.Completed, last.State);
    }

    private static void AssertLost(MigrationException error)
    {
        Assert.Equal(MigrationErrorReason.ConnectionLost, error.Reason);
        Assert.Contains("agent", error.Message, StringComparison.Ordinal);
        Assert.Contains("Check that the agent runs", error.RecommendedAction, StringComparison.Ordinal);
    }
}
