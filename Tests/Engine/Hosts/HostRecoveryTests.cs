using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>A host that is opened on what an earlier engine left behind.</summary>
public sealed class HostRecoveryTests : IDisposable
{
    private readonly ScratchDirectory scratch = new();
    private readonly ScriptedHypervisor scripted = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_host_on_the_same_directory_finds_running_vms_again_and_embedded_ones_stopped()
    {
        Guid qemu, embedded, stopped;
        await using (TestHost first = await OpenAsync())
        {
            qemu = await CreateAsync(first, SampleVms.Qemu("qemu"), start: true);
            embedded = await CreateAsync(first, SampleVms.Embedded("embedded"), start: true);
            stopped = await CreateAsync(first, SampleVms.Qemu("stopped"), start: false);
        }

        Assert.Equal(VmState.Running, Assert.Single(scripted.Processes.Values).State);
        await using TestHost second = await OpenAsync();

        VmDescription found = await second.Host.GetVmAsync(qemu, Cancel);
        Assert.Equal((VmState.Running, scripted.Processes.Keys.Single()), (found.State, found.Instance!.ProcessId!.Value));
        Assert.Equal(VmState.Stopped, (await second.Host.GetVmAsync(embedded, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await second.Host.GetVmAsync(stopped, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await second.Host.StopVmAsync(qemu, force: false, Cancel)).State);
        Assert.Equal(VmState.Running, (await second.Host.StartVmAsync(embedded, Cancel)).State);
    }

    [Fact]
    public async Task A_vm_an_administrator_paused_stays_paused()
    {
        Guid id;
        await using (TestHost first = await OpenAsync())
        {
            id = await CreateAsync(first, SampleVms.Qemu(), start: true);
            await first.Host.PauseVmAsync(id, Cancel);
        }

        await using TestHost second = await OpenAsync();
        Assert.Equal(VmState.Paused, (await second.Host.GetVmAsync(id, Cancel)).State);
    }

    [Fact]
    public async Task A_vm_that_ended_while_no_engine_ran_is_failed_and_can_be_started()
    {
        VmSpecification vm = SampleVms.Qemu();
        Write(journal => journal.SaveVm(SampleVms.Journaled(vm, processId: 99)));

        await using TestHost host = await OpenAsync();

        VmDescription found = await host.Host.GetVmAsync(vm.Id, Cancel);
        Assert.Equal(VmState.Failed, found.State);
        Assert.Contains("while no engine watched it", found.FailureMessage, StringComparison.Ordinal);
        Assert.Equal(VmState.Running, (await host.Host.StartVmAsync(vm.Id, Cancel)).State);
    }

    [Fact]
    public async Task A_vm_whose_start_was_never_recorded_is_removed_and_the_recorded_ones_stay()
    {
        VmSpecification recorded = SampleVms.Qemu("recorded"), unreachable = SampleVms.Qemu("unreachable");
        int[] kept = [scripted.Make(recorded, VmState.Running).Process.Id, scripted.Make(unreachable, VmState.Running).Process.Id];
        scripted.Make(SampleVms.Qemu("unrecorded"), VmState.Running);
        scripted.Unreachable = kept[1];
        Write(journal => journal.SaveVm(SampleVms.Journaled(recorded, processId: kept[0])));
        Write(journal => journal.SaveVm(SampleVms.Journaled(unreachable, processId: kept[1])));

        await using TestHost host = await OpenAsync();

        Assert.Equal(kept.Order(), scripted.Processes.Keys.Order());
    }

    [Fact]
    public async Task What_the_hypervisor_chose_for_a_running_vm_is_kept_with_it_and_gone_once_it_stops()
    {
        Guid id;
        await using (TestHost first = await OpenAsync())
        {
            id = await CreateAsync(first, SampleVms.Qemu(), start: true);
            Assert.Equal(ScriptedHypervisor.ChosenMachineType, await MachineTypeAsync(first, id));
        }

        await using TestHost second = await OpenAsync();
        Assert.Equal(ScriptedHypervisor.ChosenMachineType, await MachineTypeAsync(second, id));
        await second.Host.StopVmAsync(id, force: true, Cancel);
        Assert.Equal("q35", await MachineTypeAsync(second, id));
    }

    [Fact]
    public async Task A_process_that_cannot_be_reached_is_neither_forgotten_nor_started_twice()
    {
        VmSpecification vm = SampleVms.Qemu();
        int processId = scripted.Make(vm, VmState.Running).Process.Id;
        Write(journal => journal.SaveVm(SampleVms.Journaled(vm, processId: processId)));
        scripted.Unreachable = processId;
        await using TestHost host = await OpenAsync();

        VmDescription found = await host.Host.GetVmAsync(vm.Id, Cancel);
        Assert.Equal(VmState.Failed, found.State);
        Assert.Contains("The QMP socket is taken.", found.FailureMessage, StringComparison.Ordinal);
        Assert.Equal(MigrationErrorReason.AccessDenied,
            (await Assert.ThrowsAsync<MigrationException>(() => host.Host.StartVmAsync(vm.Id, Cancel))).Reason);
        Assert.Equal(MigrationErrorReason.InvalidState,
            (await Assert.ThrowsAsync<MigrationException>(() => host.Host.RemoveVmAsync(vm.Id, Cancel))).Reason);

        scripted.Unreachable = 0;
        found = await host.Host.StartVmAsync(vm.Id, Cancel);
        Assert.Equal((VmState.Running, processId), (found.State, found.Instance!.ProcessId!.Value));
        Assert.Equal(0, scripted.Starting);
    }

    [Fact]
    public async Task A_process_that_cannot_be_reached_is_ended_by_force_without_being_asked()
    {
        VmSpecification vm = SampleVms.Qemu();
        int processId = scripted.Make(vm, VmState.Running).Process.Id;
        Write(journal => journal.SaveVm(SampleVms.Journaled(vm, processId: processId)));
        scripted.Unreachable = processId;
        await using TestHost host = await OpenAsync();

        Assert.Equal(MigrationErrorReason.AccessDenied,
            (await Assert.ThrowsAsync<MigrationException>(() => host.Host.StopVmAsync(vm.Id, force: false, Cancel))).Reason);
        VmDescription ended = await host.Host.StopVmAsync(vm.Id, force: true, Cancel);
        Assert.Equal((VmState.Stopped, null), (ended.State, ended.Instance));
        Assert.Empty(scripted.Processes);
        await host.Host.RemoveVmAsync(vm.Id, Cancel);
    }

    [Fact]
    public async Task A_source_that_had_granted_nothing_resumes_its_vm_at_full_speed()
    {
        VmSpecification vm = SampleVms.Qemu();
        ScriptedProcess process = scripted.Make(vm, VmState.Paused).Process;
        process.VcpuShare = 0.2;
        var migrationId = Guid.NewGuid();
        await WriteAsync(vm, VmOwnership.Owned, process.Id, migrationId, MigrationRole.Source, MigrationJournalState.Started);

        await using TestHost host = await OpenAsync();

        Assert.Equal(VmState.Running, (await host.Host.GetVmAsync(vm.Id, Cancel)).State);
        Assert.Equal(1, process.VcpuShare);
        Assert.Equal(MigrationJournalState.RolledBack, await StateOfAsync(host, migrationId, MigrationRole.Source));
        MigrationStatus status = host.Parts.Journal.FindMigration(migrationId, MigrationRole.Source)!.Status!;
        Assert.Equal((MigrationState.RolledBack, MigrationErrorReason.ConnectionLost), (status.State, status.ErrorReason));
        Assert.NotNull(status.EndedAt);
    }

    [Fact]
    public async Task A_source_that_had_granted_keeps_its_copy_paused_until_an_administrator_decides()
    {
        VmSpecification vm = SampleVms.Qemu();
        ScriptedProcess process = scripted.Make(vm, VmState.Paused).Process;
        var migrationId = Guid.NewGuid();
        await WriteAsync(
            vm, VmOwnership.Owned, process.Id, migrationId, MigrationRole.Source, MigrationJournalState.Started, MigrationJournalState.Granted);

        await using (TestHost host = await OpenAsync())
        {
            VmDescription found = await host.Host.GetVmAsync(vm.Id, Cancel);
            Assert.Equal(VmState.Paused, found.State);
            Assert.Contains($"migration {migrationId} was cut short", found.FailureMessage, StringComparison.Ordinal);
            Assert.Equal(MigrationJournalState.Undecided, await StateOfAsync(host, migrationId, MigrationRole.Source));
            var refusal = await Assert.ThrowsAsync<MigrationException>(
                () => host.Parts.Transfers.TakeOutgoingAsync(vm.Id, Guid.NewGuid(), "peer", Cancel));
            Assert.Equal(MigrationErrorReason.Undecided, refusal.Reason);
        }

        // Opening once more decides nothing, and the VM alone is not resumed; taking the migration back by force does both.
        await using TestHost again = await OpenAsync();
        Assert.Equal(VmState.Paused, (await again.Host.GetVmAsync(vm.Id, Cancel)).State);
        MigrationException alone = await Assert.ThrowsAsync<MigrationException>(() => again.Host.ResumeVmAsync(vm.Id, Cancel));
        Assert.Equal(MigrationErrorReason.Undecided, alone.Reason);
        Assert.Contains("with force", alone.RecommendedAction, StringComparison.Ordinal);
        MigrationStatus status = await again.Parts.Undecided.TakeBackByForceAsync(migrationId, Cancel);
        Assert.Equal(MigrationState.RolledBack, status.State);
        VmDescription resumed = await again.Host.GetVmAsync(vm.Id, Cancel);
        Assert.Equal((VmState.Running, null), (resumed.State, resumed.FailureMessage));
        Assert.Equal(MigrationJournalState.RolledBack, await StateOfAsync(again, migrationId, MigrationRole.Source));
        Assert.Equal(VmOwnership.Owned, again.Parts.Journal.FindVm(vm.Id)!.Ownership);
    }

    [Fact]
    public async Task An_undecided_copy_can_be_stopped_and_removed_but_not_started()
    {
        VmSpecification vm = SampleVms.Qemu();
        ScriptedProcess process = scripted.Make(vm, VmState.Paused).Process;
        await WriteAsync(
            vm, VmOwnership.Owned, process.Id, Guid.NewGuid(), MigrationRole.Source,
            MigrationJournalState.Started, MigrationJournalState.Granted);
        await using TestHost host = await OpenAsync();

        Assert.Equal(VmState.Stopped, (await host.Host.StopVmAsync(vm.Id, force: true, Cancel)).State);
        Assert.Equal(MigrationErrorReason.Undecided,
            (await Assert.ThrowsAsync<MigrationException>(() => host.Host.StartVmAsync(vm.Id, Cancel))).Reason);
        await host.Host.RemoveVmAsync(vm.Id, Cancel);

        Assert.Empty(scripted.Processes);
        Assert.Empty(host.Parts.Journal.ReadVms());
    }

    [Fact]
    public async Task A_source_whose_copy_was_removed_had_completed()
    {
        VmSpecification vm = SampleVms.Qemu();
        var migrationId = Guid.NewGuid();
        await WriteAsync(
            vm, VmOwnership.Owned, null, migrationId, MigrationRole.Source, MigrationJournalState.Started, MigrationJournalState.Granted);
        Write(journal => journal.DeleteVm(vm.Id));

        await using TestHost host = await OpenAsync();

        Assert.Equal(MigrationJournalState.Completed, await StateOfAsync(host, migrationId, MigrationRole.Source));
        Assert.Equal(MigrationState.Completed, host.Parts.Journal.FindMigration(migrationId, MigrationRole.Source)!.Status!.State);
    }

    [Fact]
    public async Task A_destination_without_a_grant_destroys_its_copy_and_says_so_on_record()
    {
        VmSpecification vm = SampleVms.Qemu();
        ScriptedProcess process = scripted.Make(vm, VmState.Incoming).Process;
        var migrationId = Guid.NewGuid();
        await WriteAsync(vm, VmOwnership.Incoming, process.Id, migrationId, MigrationRole.Destination, MigrationJournalState.Started);

        await using TestHost host = await OpenAsync();

        Assert.Empty(await host.Host.ListVmsAsync(Cancel));
        Assert.Empty(scripted.Processes);
        Assert.Empty(host.Parts.Journal.ReadVms());
        Assert.Equal(MigrationJournalState.RolledBack, await StateOfAsync(host, migrationId, MigrationRole.Destination));
    }

    [Fact]
    public async Task A_destination_that_owned_runs_the_vm()
    {
        VmSpecification vm = SampleVms.Qemu();
        ScriptedProcess process = scripted.Make(vm, VmState.Paused).Process;
        var migrationId = Guid.NewGuid();
        await WriteAsync(
            vm, VmOwnership.Incoming, process.Id, migrationId, MigrationRole.Destination,
            MigrationJournalState.Started, MigrationJournalState.Owner);

        await using TestHost host = await OpenAsync();

        Assert.Equal(VmState.Running, (await host.Host.GetVmAsync(vm.Id, Cancel)).State);
        Assert.Equal(MigrationJournalState.Completed, await StateOfAsync(host, migrationId, MigrationRole.Destination));
    }

    private Task<TestHost> OpenAsync() => TestHost.OpenAsync(scratch.Path, scripted);

    private static async Task<string> MachineTypeAsync(TestHost host, Guid id) =>
        (await host.Host.GetVmAsync(id, Cancel)).Specification.Qemu!.MachineType;

    private static async Task<Guid> CreateAsync(TestHost host, VmSpecification specification, bool start)
    {
        await host.Host.CreateVmAsync(specification, Cancel);
        if (start) await host.Host.StartVmAsync(specification.Id, Cancel);
        return specification.Id;
    }

    private static async Task<MigrationJournalState?> StateOfAsync(TestHost host, Guid migrationId, MigrationRole role) =>
        (await host.Parts.Journal.FindAsync(migrationId, role, Cancel))?.State;

    private void Write(Action<HostJournal> write)
    {
        using HostDirectory directory = HostDirectory.Open(scratch.Path);
        using HostJournal journal = HostJournal.Open(directory);
        write(journal);
    }

    private async Task WriteAsync(
        VmSpecification vm, VmOwnership ownership, int? processId, Guid migrationId, MigrationRole role, params MigrationJournalState[] states)
    {
        using HostDirectory directory = HostDirectory.Open(scratch.Path);
        using HostJournal journal = HostJournal.Open(directory);
        journal.SaveVm(SampleVms.Journaled(vm, ownership, processId));
        foreach (MigrationJournalState state in states)
        {
            await journal.RecordAsync(SampleVms.Entry(vm.Id, role, state, migrationId), Cancel);
        }

        if (role == MigrationRole.Source) journal.SaveStatus(SampleVms.Status(migrationId, vm, MigrationState.Switchover));
    }
}
