using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class LocalHostFailureTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("start")]
    [InlineData("stop")]
    [InlineData("remove")]
    public async Task A_vm_whose_process_dies_is_failed_and_can_still_be_handled(string operation)
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, ScriptedProcess process) = await StartAsync(test);

        test.Scripted.End(process.Id, "Killed by signal 9.");

        VmDescription vm = await WaitForAsync(test, id, found => found.Instance is null);
        Assert.Equal((VmState.Failed, "Killed by signal 9."), (vm.State, vm.FailureMessage));
        Assert.Null(test.Parts.Journal.FindVm(id)!.Instance);
        switch (operation)
        {
            case "start":
                Assert.Equal(VmState.Running, (await test.Host.StartVmAsync(id, Cancel)).State);
                break;
            case "stop":
                vm = await test.Host.StopVmAsync(id, force: false, Cancel);
                Assert.Equal((VmState.Stopped, null), (vm.State, vm.FailureMessage));
                break;
            default:
                await test.Host.RemoveVmAsync(id, Cancel);
                Assert.Empty(test.Parts.Journal.ReadVms());
                break;
        }
    }

    [Fact]
    public async Task A_guest_that_does_not_shut_down_in_time_runs_on_and_its_late_end_is_no_failure()
    {
        await using TestHost test = await TestHost.OpenAsync(shutdownTimeout: TimeSpan.FromMilliseconds(20));
        (Guid id, ScriptedProcess process) = await StartAsync(test);
        process.GuestFollowsShutdown = false;

        var timeout = await Assert.ThrowsAsync<MigrationException>(() => test.Host.StopVmAsync(id, force: false, Cancel));
        Assert.Equal(MigrationErrorReason.TimedOut, timeout.Reason);
        Assert.Equal(VmState.Running, (await test.Host.GetVmAsync(id, Cancel)).State);
        test.Scripted.End(process.Id, "The guest shut down.");

        VmDescription vm = await WaitForAsync(test, id, found => found.State == VmState.Stopped);
        Assert.Null(vm.FailureMessage);
    }

    [Fact]
    public async Task A_forced_stop_overtakes_a_shutdown_the_guest_ignores()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, ScriptedProcess process) = await StartAsync(test);
        process.GuestFollowsShutdown = false;
        Task<VmDescription> shutdown = test.Host.StopVmAsync(id, force: false, Cancel);

        VmDescription vm = await test.Host.StopVmAsync(id, force: true, Cancel);

        Assert.Equal(VmState.Stopped, vm.State);
        Assert.Empty(test.Scripted.Processes);
        var overtaken = await Assert.ThrowsAsync<MigrationException>(() => shutdown);
        Assert.Equal(MigrationErrorReason.InvalidState, overtaken.Reason);
    }

    [Fact]
    public async Task A_vm_whose_end_failed_is_failed_and_can_be_ended_again()
    {
        await using TestHost test = await TestHost.OpenAsync();
        VmSpecification specification = SampleVms.Qemu("held");
        ScriptedMachine machine = test.Scripted.Make(specification, VmState.Running);
        var running = new VmSlotState { Machine = machine, Ownership = VmOwnership.Owned };
        var slot = new VmSlot(specification, running, test.Parts.Journal, test.Parts.Logger);
        machine.Process.DestroyFailures = 1;

        await Assert.ThrowsAsync<IOException>(() => slot.EndMachineAsync(machine, running));
        Assert.Equal(VmState.Failed, await slot.AskStateAsync(Cancel));

        await slot.EndMachineAsync(machine, running);
        Assert.Equal(VmState.Stopped, await slot.AskStateAsync(Cancel));
    }

    [Fact]
    public async Task A_registered_vm_is_adopted_and_left_running_by_a_host_that_closes()
    {
        var scripted = new ScriptedHypervisor();
        await using (TestHost test = await TestHost.OpenAsync(scripted: scripted))
        {
            VmDescription vm = await test.Host.RegisterVmAsync(new("theirs", "/run/theirs.qmp"), Cancel);
            Assert.Equal((VmState.Running, "theirs"), (vm.State, vm.Specification.Name));
            var clash = await Assert.ThrowsAsync<MigrationException>(
                () => test.Host.RegisterVmAsync(new("Theirs", "/run/other.qmp"), Cancel));
            Assert.Equal(MigrationErrorReason.VmAlreadyExists, clash.Reason);
        }

        Assert.Equal(2, scripted.Processes.Count);
        Assert.All(scripted.Processes.Values, process => Assert.Equal(VmState.Running, process.State));
    }

    [Fact]
    public async Task A_registered_vm_that_was_stopped_is_not_started_by_guesswork()
    {
        await using TestHost test = await TestHost.OpenAsync();
        Guid id = (await test.Host.RegisterVmAsync(new("theirs", "/run/theirs.qmp"), Cancel)).Specification.Id;
        await test.Host.StopVmAsync(id, force: true, Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => test.Host.StartVmAsync(id, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Empty(test.Scripted.Processes);
    }

    [Fact]
    public async Task A_closed_host_refuses_everything()
    {
        TestHost test = await TestHost.OpenAsync();
        (Guid id, _) = await StartAsync(test);
        await test.DisposeAsync();
        await test.DisposeAsync();

        Func<Task>[] calls =
        [
            () => test.Host.ListVmsAsync(Cancel), () => test.Host.GetVmAsync(id, Cancel), () => test.Host.StartVmAsync(id, Cancel),
            () => test.Host.CreateVmAsync(SampleVms.Embedded("late"), Cancel), () => test.Host.DescribeAsync(Cancel),
        ];
        foreach (Func<Task> call in calls)
        {
            Assert.Equal(MigrationErrorReason.InvalidState, (await Assert.ThrowsAsync<MigrationException>(call)).Reason);
        }

        Assert.Empty(test.Scripted.Processes);
    }

    private static async Task<(Guid Id, ScriptedProcess Process)> StartAsync(TestHost test)
    {
        Guid id = (await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel)).Specification.Id;
        VmDescription vm = await test.Host.StartVmAsync(id, Cancel);
        return (id, test.Scripted.Processes[vm.Instance!.ProcessId!.Value]);
    }

    /// <summary>Asks until the host has noticed; the test's own time limit ends it where it does not.</summary>
    private static async Task<VmDescription> WaitForAsync(TestHost test, Guid id, Predicate<VmDescription> noticed)
    {
        while (true)
        {
            VmDescription vm = await test.Host.GetVmAsync(id, Cancel);
            if (noticed(vm)) return vm;
            await Task.Yield();
        }
    }
}
