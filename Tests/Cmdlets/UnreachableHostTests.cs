using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using EngineState = VmMigration.Engine.Migration.MigrationState;

namespace VmMigration.Cmdlets.Tests;

/// <summary>
/// One host of the session does not answer, as an agent behind a broken network; the other one does. All hosts of the process are asked by
/// what names none, so this does not run beside other tests.
/// </summary>
[Collection(nameof(UnreachableHostTests))]
[CollectionDefinition(nameof(UnreachableHostTests), DisableParallelization = true)]
public sealed class UnreachableHostTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly ModuleSession session = new();
    private ScriptedMigrationHost near = null!;
    private ScriptedMigrationHost far = null!;

    public async ValueTask InitializeAsync()
    {
        near = await ScriptedMigrationHost.AddAsync(session.HostA, session.VmName);
        near.Vms = [Vm(session.HostA)];
        far = await ScriptedMigrationHost.AddAsync(session.HostB, session.VmName);
        far.Failure = new(MigrationErrorReason.ConnectionLost, $"{session.HostB} does not answer.", "Mend the network.");
    }

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void Its_silence_is_an_error_beside_the_VMs_of_the_others()
    {
        ScriptOutcome outcome = session.Run("Get-MigrationVm *-$s -HostName *-$s; Get-MigrationHost *-$s | ForEach-Object Name");
        Assert.Equal(session.VmName, Assert.IsType<MigrationVm>(outcome.Output[0]).Name);
        Assert.Equal(session.HostA, outcome.Output[1]);
        Assert.Equal(2, outcome.Errors.Count);
        Assert.All(outcome.Errors, error =>
        {
            Assert.StartsWith("ConnectionLost,", error.FullyQualifiedErrorId);
            Assert.Equal(session.HostB, error.TargetObject);
        });
    }

    [Fact]
    public void It_is_named_once_in_a_command_however_often_it_was_asked()
    {
        ScriptOutcome outcome = session.Run("'vm-*', '*', '?*' | Get-MigrationVm -HostName *-$s");
        Assert.Equal(3, outcome.Output.Count);
        Assert.Single(outcome.Errors);
    }

    [Fact]
    public void What_is_found_by_its_name_all_the_same_comes_with_a_warning_only()
    {
        ScriptOutcome outcome = session.RunClean(
            "Get-MigrationVm $vm -HostName *-$s -WarningVariable warnings -WarningAction SilentlyContinue; \"$warnings\"");
        Assert.Equal(session.VmName, Assert.IsType<MigrationVm>(outcome.Output[0]).Name);
        Assert.Contains($"Host {session.HostB} was left out", (string)outcome.Output[1]);
    }

    [Fact]
    public void What_is_not_found_may_be_there_and_the_error_says_so()
    {
        ErrorRecord error = session.RunFailing("Get-MigrationVm missing-$s -HostName *-$s");
        Assert.StartsWith("ConnectionLost,", error.FullyQualifiedErrorId);
        Assert.Contains($"Not asked could be: {session.HostB}.", error.ErrorDetails.Message);
        Assert.Equal("Mend the network.", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void Test_says_that_it_does_not_answer()
    {
        HostCheck check = session.RunClean("Test-MigrationHost $b").Single<HostCheck>();
        Assert.Equal(("Connection", false), (check.Check, check.Passed));
        Assert.Contains("does not answer", check.Message);
        Assert.Equal([true, false], session.RunClean("Test-MigrationHost *-$s -RequiredMemoryBytes 0 -Hypervisor @() -Quiet").All<bool>());
    }

    [Fact]
    public async Task Waiting_outlasts_a_lost_connection_and_warns_of_it_once()
    {
        using PowerShell shell = session.CreateShell("Wait-VmMigration -Id " + near.Status.Id);
        Task<PSDataCollection<PSObject>> waiting = shell.InvokeAsync();
        Assert.True(SpinWait.SpinUntil(() => session.Host.Screen.Progress.Count > 0, Limit));
        near.Failure = new(MigrationErrorReason.ConnectionLost, "The agent restarts.");
        Assert.True(SpinWait.SpinUntil(() => shell.Streams.Warning.Any(warning => warning.Message.Contains("restarts")), Limit));
        near.Failure = null;
        near.MoveTo(EngineState.Completed);
        PSDataCollection<PSObject> output = await waiting.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(MigrationState.Completed, Assert.IsType<VmMigrationOperation>(Assert.Single(output).BaseObject).State);
        Assert.Single(shell.Streams.Warning, warning => warning.Message.Contains("restarts"));
        Assert.Empty(shell.Streams.Error);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_waiting_for_a_host_that_does_not_come_back()
    {
        using PowerShell shell = session.CreateShell("Wait-VmMigration -Id " + near.Status.Id);
        Task<PSDataCollection<PSObject>> waiting = shell.InvokeAsync();
        Assert.True(SpinWait.SpinUntil(() => session.Host.Screen.Progress.Count > 0, Limit));
        near.Failure = new(MigrationErrorReason.ConnectionLost, "The agent restarts.");
        Assert.True(SpinWait.SpinUntil(() => shell.Streams.Warning.Any(warning => warning.Message.Contains("restarts")), Limit));
        await Task.Run(shell.Stop, TestContext.Current.CancellationToken).WaitAsync(Limit, TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<PipelineStoppedException>(() => waiting);
        Assert.Equal(0, near.Cancellations);
    }

    [Fact]
    public async Task Following_ends_where_the_host_stays_away()
    {
        near.Failure = new(MigrationErrorReason.ConnectionLost, "The agent is gone.");
        int losses = 0;
        var follower = new OperationFollower
        {
            Patience = TimeSpan.FromMilliseconds(50), AttemptInterval = TimeSpan.FromMilliseconds(10), Lost = _ => losses++,
        };
        MigrationException given = await Assert.ThrowsAsync<MigrationException>(async () =>
        {
            await foreach (var status in follower.FollowAsync(new LocatedMigration(near, near.Status), TestContext.Current.CancellationToken))
            {
                Assert.Fail($"It said {status.State}.");
            }
        });
        Assert.Equal((MigrationErrorReason.ConnectionLost, 1), (given.Reason, losses));
        Assert.Contains($"Wait-VmMigration -Id {near.Status.Id}", given.RecommendedAction);
    }

    [Fact]
    public void An_undecided_migration_is_asked_about_and_taken_back_by_force_only()
    {
        near.MoveTo(EngineState.Undecided);
        string byId = $"Resume-VmMigration -Id {near.Status.Id}";
        Assert.StartsWith("Undecided,", session.RunFailing(byId).FullyQualifiedErrorId);
        Assert.False(near.WasForced);
        session.Host.Screen.TakeText();
        session.RunClean($"{byId} -Force -WhatIf");
        Assert.Contains("both destroy its disks", session.Host.Screen.TakeText());
        Assert.False(near.WasForced);
        Assert.Equal(MigrationState.RolledBack, session.RunClean($"{byId} -Force -PassThru").Single<VmMigrationOperation>().State);
        Assert.True(near.WasForced);
    }

    [Fact]
    public void Prompts_are_offered_the_VMs_of_the_hosts_that_answer()
    {
        using var shell = PowerShell.Create(session.Runspace);
        string line = $"Stop-MigrationVm vm-{session.Suffix}";
        Assert.Equal(
            [session.VmName],
            CommandCompletion.CompleteInput(line, line.Length, null, shell).CompletionMatches.Select(match => match.CompletionText));
    }

    private VmDescription Vm(string hostName) => new()
    {
        Specification = new VmSpecification { Name = session.VmName, MemoryBytes = 2 << 20, Embedded = new EmbeddedGuest { Program = Engine.Hypervisors.Embedded.GuestProgramKind.Idle } },
        HostName = hostName,
        State = Engine.Hypervisors.VmState.Running,
    };
}
