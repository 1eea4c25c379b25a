using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets.Tests;

public sealed class CmdletStepInvokerTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithBusyVm();
    private readonly CmdletStepInvoker invoker = new(workingDirectory: null);

    private static CancellationToken TestCancelled => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        invoker.Dispose();
        session.Dispose();
    }

    [Fact]
    public async Task Outputs_keep_their_wrapper_and_their_properties_are_plain()
    {
        object? output = Assert.Single(await InvokeAsync("Get-MigrationVm", new() { ["Name"] = session.VmName }));
        Assert.IsType<MigrationVm>(Assert.IsType<PSObject>(output).BaseObject);
        Assert.True(invoker.TryGetProperty(output, "hostname", out object? host));
        Assert.Equal(session.HostA, host);
        Assert.True(invoker.TryGetProperty(output, "State", out object? state));
        Assert.Equal(VmState.Running, state);
        Assert.False(invoker.TryGetProperty(output, "Nothing", out _));
    }

    [Fact]
    public async Task An_output_binds_as_an_argument_of_another_cmdlet()
    {
        object? vm = Assert.Single(await InvokeAsync("Get-MigrationVm", new() { ["Name"] = session.VmName }));
        object? paused = Assert.Single(await InvokeAsync("Suspend-MigrationVm", new() { ["InputObject"] = vm, ["PassThru"] = true }));
        Assert.True(invoker.TryGetProperty(paused!, "State", out object? state));
        Assert.Equal(VmState.Paused, state);
    }

    [Fact]
    public async Task An_error_of_the_cmdlet_is_a_failure_with_its_id_and_recommended_action()
    {
        var failure = await Assert.ThrowsAsync<StepFailedException>(
            () => InvokeAsync("Stop-MigrationVm", new() { ["Name"] = $"none-{session.Suffix}" }));
        Assert.Equal("VmNotFound", failure.ErrorId);
        Assert.Contains($"none-{session.Suffix}", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Get-MigrationVm", failure.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_the_binder_refuses_is_a_failure()
    {
        var failure = await Assert.ThrowsAsync<StepFailedException>(
            () => InvokeAsync("Start-VmMigration", new() { ["Name"] = session.VmName, ["DestinationHost"] = session.HostB, ["Channels"] = 99L }));
        Assert.StartsWith("ParameterArgumentValidationError", failure.ErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_asked_even_of_cmdlets_that_ask()
    {
        Dictionary<string, object?> vm = new() { ["Name"] = session.VmName };
        await InvokeAsync("Stop-MigrationVm", new(vm) { ["TurnOff"] = true });
        await InvokeAsync("Remove-MigrationVm", vm);
        Assert.Empty(session.RunClean("Get-MigrationVm -HostName $a").Output);
    }

    [Fact]
    public async Task Only_this_modules_cmdlets_and_the_core_are_there()
    {
        var failure = await Assert.ThrowsAsync<StepFailedException>(() => InvokeAsync("Invoke-MigrationRunbook", new() { ["Path"] = "x" }));
        Assert.Equal("CommandNotFoundException", failure.ErrorId);
    }

    [Fact]
    public async Task Calls_run_side_by_side_and_progress_is_handed_on()
    {
        var activities = new ActivityList();
        Task<IReadOnlyList<object?>> migration = invoker.InvokeAsync(SlowMigration(), activities, TestCancelled);
        await activities.First.WaitAsync(TestCancelled);

        // The migration is under way and yet another call comes through.
        Assert.Single(await InvokeAsync("Get-MigrationVm", new() { ["Name"] = session.VmName }));
        Assert.False(migration.IsCompleted);
        await InvokeAsync("Stop-VmMigration", new() { ["Name"] = session.VmName });
        await Assert.ThrowsAsync<StepFailedException>(() => migration);
        StepActivity activity = await activities.First;
        Assert.Contains(session.VmName, activity.Activity, StringComparison.Ordinal);
        Assert.InRange(activity.PercentComplete!.Value, 0, 100);
    }

    [Fact]
    public async Task Cancelling_a_step_cancels_its_migration()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestCancelled);
        var activities = new ActivityList();
        Task<IReadOnlyList<object?>> migration = invoker.InvokeAsync(SlowMigration(), activities, cancel.Token);
        await activities.First.WaitAsync(TestCancelled);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => migration);
        Assert.Equal(MigrationState.RolledBack, session.RunClean("Get-VmMigration $vm").Single<VmMigrationOperation>().State);
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
    }

    private StepInvocation SlowMigration() => new("migrate", "Start-VmMigration", new Dictionary<string, object?>
    {
        ["Name"] = session.VmName, ["DestinationHost"] = session.HostB, ["MaxBytesPerSecond"] = 1L << 20, ["Wait"] = true,
    });

    private Task<IReadOnlyList<object?>> InvokeAsync(string cmdlet, Dictionary<string, object?> arguments) =>
        invoker.InvokeAsync(new("step", cmdlet, arguments), null, TestCancelled);

    private sealed class ActivityList : IProgress<StepActivity>
    {
        private readonly TaskCompletionSource<StepActivity> first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<StepActivity> First => first.Task;

        public void Report(StepActivity value) => first.TrySetResult(value);
    }
}
