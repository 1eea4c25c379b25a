using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>What a session sees of agents that stop.</summary>
[Collection(nameof(HostAgentRestartTests))]
[CollectionDefinition(nameof(HostAgentRestartTests), DisableParallelization = true)]
public sealed class HostAgentRestartTests : IAsyncLifetime
{
    private readonly HostAgentPair agents = new();
    private readonly ModuleSession session;

    public HostAgentRestartTests() => session = agents.Session;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await agents.InitializeAsync();
        agents.Connect();
    }

    public ValueTask DisposeAsync() => agents.DisposeAsync();

    [Fact]
    public async Task Waiting_outlasts_an_agent_that_stops_and_starts_again()
    {
        session.RunClean("New-MigrationVm $vm $a 64MB -Program HotSetWriter -StepsPerSecond 1000000 | Start-MigrationVm");
        using PowerShell shell = session.CreateShell("Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -Wait");
        Task<PSDataCollection<PSObject>> waiting = shell.InvokeAsync();
        Assert.True(SpinWait.SpinUntil(() => session.Host.Screen.Progress.Count > 0, TimeSpan.FromSeconds(30)));
        Assert.Equal(0, await agents.First.StopAsync(Cancellation));
        await agents.First.StartAgainAsync(Cancellation);
        await waiting.WaitAsync(TimeSpan.FromMinutes(1), Cancellation);
        // What was not committed is rolled back by the stop; whoever waited hears of it, at the latest from the agent that came after.
        Assert.Equal(
            MigrationState.RolledBack, Assert.IsType<VmMigrationOperation>(Assert.Single(shell.Streams.Error).TargetObject).State);
    }

    [Fact]
    public async Task An_agent_that_stopped_is_found_out_named_and_found_again()
    {
        session.RunClean("$a, $b | ForEach-Object { New-MigrationVm \"$vm-$_\" $_ 16MB }");
        Assert.Equal(0, await agents.Second.StopAsync(Cancellation));
        HostCheck check = session.RunClean("Test-MigrationHost $b").All<HostCheck>()[0];
        Assert.Equal(("Connection", false), (check.Check, check.Passed));
        ScriptOutcome seen = session.Run("Get-MigrationVm \"$vm-*\" -HostName *-$s");
        Assert.Equal(session.HostA, seen.Single<MigrationVm>().HostName);
        ErrorRecord error = Assert.Single(seen.Errors);
        Assert.StartsWith("ConnectionLost,", error.FullyQualifiedErrorId);
        Assert.Equal(session.HostB, error.TargetObject);
        await agents.Second.StartAgainAsync(Cancellation);
        Assert.Equal(2, session.RunClean("Get-MigrationVm \"$vm-*\" -HostName *-$s").Output.Count);
    }
}
