using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class LocalHostLifecycleTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_embedded_vm_goes_through_its_life()
    {
        await using LocalHost host = await LocalHost.OpenAsync(new() { Name = "here" }, Cancel);
        VmDescription vm = await host.CreateVmAsync(SampleVms.Embedded(), Cancel);
        Guid id = vm.Specification.Id;
        Assert.Equal((VmState.Stopped, null, "here"), (vm.State, vm.Instance, vm.HostName));

        vm = await host.StartVmAsync(id, Cancel);
        Assert.Equal((VmState.Running, "embedded"), (vm.State, vm.Instance!.Accelerator));
        Assert.NotNull(vm.Capabilities);
        Assert.Equal(VmState.Paused, (await host.PauseVmAsync(id, Cancel)).State);
        Assert.Equal(VmState.Running, (await host.ResumeVmAsync(id, Cancel)).State);
        vm = await host.StopVmAsync(id, force: false, Cancel);
        Assert.Equal((VmState.Stopped, null, null), (vm.State, vm.Instance, vm.Capabilities));
        Assert.Equal(VmState.Running, (await host.StartVmAsync(id, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await host.StopVmAsync(id, force: true, Cancel)).State);

        await host.RemoveVmAsync(id, Cancel);
        Assert.Empty(await host.ListVmsAsync(Cancel));
        await AssertRefusedAsync(MigrationErrorReason.VmNotFound, () => host.GetVmAsync(id, Cancel));
    }

    [Theory]
    [InlineData("start", VmState.Running)]
    [InlineData("start", VmState.Paused)]
    [InlineData("stop", VmState.Stopped)]
    [InlineData("force", VmState.Stopped)]
    [InlineData("stop", VmState.Paused)]
    [InlineData("pause", VmState.Stopped)]
    [InlineData("pause", VmState.Paused)]
    [InlineData("resume", VmState.Stopped)]
    [InlineData("resume", VmState.Running)]
    [InlineData("remove", VmState.Running)]
    [InlineData("remove", VmState.Paused)]
    public async Task An_operation_the_state_does_not_allow_is_refused_by_name_and_changes_nothing(string operation, VmState state)
    {
        await using TestHost test = await TestHost.OpenAsync();
        Guid id = (await test.Host.CreateVmAsync(SampleVms.Embedded("refused"), Cancel)).Specification.Id;
        if (state != VmState.Stopped) await test.Host.StartVmAsync(id, Cancel);
        if (state == VmState.Paused) await test.Host.PauseVmAsync(id, Cancel);

        MigrationException refusal = await AssertRefusedAsync(MigrationErrorReason.InvalidState, () => operation switch
        {
            "start" => test.Host.StartVmAsync(id, Cancel),
            "stop" => test.Host.StopVmAsync(id, force: false, Cancel),
            "force" => test.Host.StopVmAsync(id, force: true, Cancel),
            "pause" => test.Host.PauseVmAsync(id, Cancel),
            "resume" => test.Host.ResumeVmAsync(id, Cancel),
            _ => test.Host.RemoveVmAsync(id, Cancel),
        });

        Assert.Contains($"'refused' is {state}", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(": only ", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(state, (await test.Host.GetVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task Names_and_ids_are_taken_once_whatever_the_case()
    {
        await using TestHost test = await TestHost.OpenAsync();
        VmSpecification first = SampleVms.Embedded("Web-1");
        await test.Host.CreateVmAsync(first, Cancel);

        MigrationException name = await AssertRefusedAsync(
            MigrationErrorReason.VmAlreadyExists, () => test.Host.CreateVmAsync(SampleVms.Embedded("web-1"), Cancel));
        MigrationException id = await AssertRefusedAsync(
            MigrationErrorReason.VmAlreadyExists, () => test.Host.CreateVmAsync(first with { Name = "other" }, Cancel));

        Assert.Contains("'Web-1'", name.Message, StringComparison.Ordinal);
        Assert.Contains(first.Id.ToString(), id.Message, StringComparison.Ordinal);
        Assert.Single(await test.Host.ListVmsAsync(Cancel));
        await test.Host.RemoveVmAsync(first.Id, Cancel);
        await test.Host.CreateVmAsync(SampleVms.Embedded("web-1"), Cancel);
    }

    [Fact]
    public async Task Of_many_that_create_one_name_at_once_one_succeeds()
    {
        await using TestHost test = await TestHost.OpenAsync();

        bool[] created = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            try
            {
                await test.Host.CreateVmAsync(SampleVms.Embedded("same"), Cancel);
                return true;
            }
            catch (MigrationException e) when (e.Reason == MigrationErrorReason.VmAlreadyExists)
            {
                return false;
            }
        }, Cancel)));

        Assert.Single(created, succeeded => succeeded);
        Assert.Single(await test.Host.ListVmsAsync(Cancel));
        Assert.Single(test.Parts.Journal.ReadVms());
    }

    [Fact]
    public async Task Of_many_that_start_one_vm_at_once_one_starts_it_and_the_others_see_it_running()
    {
        await using TestHost test = await TestHost.OpenAsync();
        Guid id = (await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel)).Specification.Id;

        MigrationException?[] refusals = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            async () => await Record.ExceptionAsync(() => test.Host.StartVmAsync(id, Cancel)) as MigrationException, Cancel)));

        Assert.Single(refusals, refusal => refusal is null);
        Assert.All(refusals.OfType<MigrationException>(), refusal => Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason));
        Assert.Single(test.Scripted.Processes);
    }

    [Fact]
    public async Task A_slow_start_of_one_vm_holds_up_neither_another_nor_a_description()
    {
        var gate = new TaskCompletionSource();
        await using TestHost test = await TestHost.OpenAsync();
        test.Scripted.StartGate = gate.Task;
        Guid slow = (await test.Host.CreateVmAsync(SampleVms.Qemu("slow"), Cancel)).Specification.Id;
        Guid fast = (await test.Host.CreateVmAsync(SampleVms.Embedded("fast"), Cancel)).Specification.Id;
        Task<VmDescription> starting = test.Host.StartVmAsync(slow, Cancel);

        await test.Host.StartVmAsync(fast, Cancel);
        IReadOnlyList<VmDescription> vms = await test.Host.ListVmsAsync(Cancel);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<VmDescription> stopping = test.Host.StopVmAsync(slow, force: true, waiting.Token);

        Assert.Equal([("fast", VmState.Running), ("slow", VmState.Stopped)], vms.Select(vm => (vm.Specification.Name, vm.State)));
        Assert.False(stopping.IsCompleted);
        await waiting.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopping);
        gate.SetResult();
        Assert.Equal(VmState.Running, (await starting).State);
    }

    [Theory]
    [InlineData("", 2)]
    [InlineData("-x", 2)]
    [InlineData("a/b", 2)]
    [InlineData("ok", 0)]
    [InlineData("ok", 3)]
    public async Task A_specification_out_of_its_limits_is_refused(string name, long memoryMib)
    {
        await using TestHost test = await TestHost.OpenAsync();

        await AssertRefusedAsync(MigrationErrorReason.InvalidArgument,
            () => test.Host.CreateVmAsync(SampleVms.Embedded(name, memoryMib << 20), Cancel));

        Assert.Empty(test.Parts.Journal.ReadVms());
    }

    [Fact]
    public async Task A_cancelled_start_leaves_the_vm_stopped()
    {
        await using TestHost test = await TestHost.OpenAsync();
        test.Scripted.StartGate = new TaskCompletionSource().Task;
        Guid id = (await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel)).Specification.Id;
        using var cancelling = new CancellationTokenSource();
        Task<VmDescription> starting = test.Host.StartVmAsync(id, cancelling.Token);

        await cancelling.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.Equal(VmState.Stopped, (await test.Host.GetVmAsync(id, Cancel)).State);
        test.Scripted.StartGate = Task.CompletedTask;
        Assert.Equal(VmState.Running, (await test.Host.StartVmAsync(id, Cancel)).State);
    }

    private static async Task<MigrationException> AssertRefusedAsync(MigrationErrorReason reason, Func<Task> call)
    {
        MigrationException refusal = await Assert.ThrowsAsync<MigrationException>(call);
        Assert.Equal(reason, refusal.Reason);
        return refusal;
    }
}
