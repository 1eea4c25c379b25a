using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class LocalHostTransfersTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_a_migration_has_a_vm_every_other_change_names_that_migration()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, _) = await StartAsync(test);
        var migrationId = Guid.NewGuid();
        OutgoingVm outgoing = await test.Parts.Transfers.TakeOutgoingAsync(id, migrationId, "there", Cancel);

        VmDescription vm = await test.Host.GetVmAsync(id, Cancel);
        Assert.Equal((VmState.Running, migrationId), (vm.State, vm.MigrationId!.Value));
        Func<Task>[] changes =
        [
            () => test.Host.StartVmAsync(id, Cancel), () => test.Host.StopVmAsync(id, force: true, Cancel),
            () => test.Host.PauseVmAsync(id, Cancel), () => test.Host.ResumeVmAsync(id, Cancel), () => test.Host.RemoveVmAsync(id, Cancel),
            () => test.Parts.Transfers.TakeOutgoingAsync(id, Guid.NewGuid(), "elsewhere", Cancel),
        ];
        foreach (Func<Task> change in changes)
        {
            var refusal = await Assert.ThrowsAsync<MigrationException>(change);
            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
            Assert.Contains(migrationId.ToString(), refusal.Message, StringComparison.Ordinal);
            Assert.Contains("'there'", refusal.Message, StringComparison.Ordinal);
        }

        await outgoing.ReturnAsync();
        Assert.Equal(VmState.Paused, (await test.Host.PauseVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task A_vm_that_left_is_gone_from_the_host_and_its_name_is_free()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, _) = await StartAsync(test);
        OutgoingVm outgoing = await test.Parts.Transfers.TakeOutgoingAsync(id, Guid.NewGuid(), "there", Cancel);

        await outgoing.RemoveAsync();

        Assert.Empty(await test.Host.ListVmsAsync(Cancel));
        Assert.Empty(test.Scripted.Processes);
        Assert.Empty(test.Parts.Journal.ReadVms());
        await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel);
    }

    [Fact]
    public async Task A_vm_that_died_during_its_migration_is_failed_once_it_comes_back()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, ScriptedProcess process) = await StartAsync(test);
        OutgoingVm outgoing = await test.Parts.Transfers.TakeOutgoingAsync(id, Guid.NewGuid(), "there", Cancel);
        test.Scripted.End(process.Id, "Killed by signal 9.");

        await outgoing.ReturnAsync();

        VmDescription vm = await test.Host.GetVmAsync(id, Cancel);
        Assert.Equal((VmState.Failed, "Killed by signal 9."), (vm.State, vm.FailureMessage));
        Assert.Null(vm.MigrationId);
    }

    [Fact]
    public async Task A_source_that_gave_its_vm_away_never_shows_it_failed_on_its_way_out()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, ScriptedProcess process) = await StartAsync(test);
        var migrationId = Guid.NewGuid();
        await test.Parts.Transfers.TakeOutgoingAsync(id, migrationId, "there", Cancel);
        foreach (MigrationJournalState state in new[] { MigrationJournalState.Started, MigrationJournalState.Granted })
        {
            await test.Parts.Journal.RecordAsync(SampleVms.Entry(id, MigrationRole.Source, state, migrationId), Cancel);
        }

        test.Scripted.End(process.Id, "Destroyed by the migration.");

        Assert.Equal(VmState.Paused, (await test.Host.GetVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task An_undecided_vm_is_kept_with_the_reason_and_only_resumed_by_hand()
    {
        await using TestHost test = await TestHost.OpenAsync();
        (Guid id, ScriptedProcess process) = await StartAsync(test);
        OutgoingVm outgoing = await test.Parts.Transfers.TakeOutgoingAsync(id, Guid.NewGuid(), "there", Cancel);
        process.State = VmState.Paused;

        await outgoing.KeepUndecidedAsync("It was given to there.");

        VmDescription vm = await test.Host.GetVmAsync(id, Cancel);
        Assert.Equal((VmState.Paused, "It was given to there."), (vm.State, vm.FailureMessage));
        Assert.Equal(VmOwnership.Undecided, test.Parts.Journal.FindVm(id)!.Ownership);
    }

    [Fact]
    public async Task An_incoming_vm_is_visible_holds_its_name_and_becomes_an_ordinary_one()
    {
        await using TestHost test = await TestHost.OpenAsync();
        IncomingRequest request = SampleVms.Incoming(SampleVms.Qemu("guest"));
        IncomingVm incoming = await test.Parts.Transfers.MakeIncomingAsync(request, Cancel);
        Guid id = request.Specification.Id;

        VmDescription vm = Assert.Single(await test.Host.ListVmsAsync(Cancel));
        Assert.Equal((VmState.Incoming, request.MigrationId), (vm.State, vm.MigrationId!.Value));
        Assert.Equal(VmOwnership.Incoming, test.Parts.Journal.FindVm(id)!.Ownership);
        Assert.Equal(MigrationErrorReason.VmAlreadyExists, (await Assert.ThrowsAsync<MigrationException>(
            () => test.Host.CreateVmAsync(SampleVms.Embedded("guest"), Cancel))).Reason);
        var refusal = await Assert.ThrowsAsync<MigrationException>(() => test.Host.StartVmAsync(id, Cancel));
        Assert.Contains("is Incoming", refusal.Message, StringComparison.Ordinal);

        test.Scripted.Processes[incoming.Machine.Instance.ProcessId!.Value].State = VmState.Running;
        await incoming.CompleteAsync(running: true);

        vm = await test.Host.GetVmAsync(id, Cancel);
        Assert.Equal((VmState.Running, null), (vm.State, vm.MigrationId));
        Assert.Equal(VmOwnership.Owned, test.Parts.Journal.FindVm(id)!.Ownership);
        Assert.Equal(VmState.Paused, (await test.Host.PauseVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task An_incoming_vm_that_does_not_arrive_leaves_nothing()
    {
        await using TestHost test = await TestHost.OpenAsync();
        IncomingVm incoming = await test.Parts.Transfers.MakeIncomingAsync(SampleVms.Incoming(SampleVms.Qemu("guest")), Cancel);

        await incoming.RemoveAsync();

        Assert.Empty(await test.Host.ListVmsAsync(Cancel));
        Assert.Empty(test.Scripted.Processes);
        Assert.Empty(test.Parts.Journal.ReadVms());
    }

    [Fact]
    public async Task An_incoming_vm_that_cannot_be_made_leaves_nothing()
    {
        await using TestHost test = await TestHost.OpenAsync();

        // The embedded hypervisor has no migration of its own.
        await Assert.ThrowsAsync<MigrationException>(() => test.Parts.Transfers.MakeIncomingAsync(
            SampleVms.Incoming(SampleVms.Embedded("guest"), StateContents.DevicesAndMemory), Cancel));

        Assert.Empty(await test.Host.ListVmsAsync(Cancel));
        Assert.Empty(test.Parts.Journal.ReadVms());
        await test.Host.CreateVmAsync(SampleVms.Embedded("guest"), Cancel);
    }

    private static async Task<(Guid Id, ScriptedProcess Process)> StartAsync(TestHost test)
    {
        Guid id = (await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel)).Specification.Id;
        VmDescription vm = await test.Host.StartVmAsync(id, Cancel);
        return (id, test.Scripted.Processes[vm.Instance!.ProcessId!.Value]);
    }
}
