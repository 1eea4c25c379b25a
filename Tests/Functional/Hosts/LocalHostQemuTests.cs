using System.Diagnostics;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Functional.Tests.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.Hosts;

/// <summary>A host with real QEMU guests, on a state directory that outlives it. The end of each test removes every process there.</summary>
public sealed class LocalHostQemuTests : IAsyncLifetime
{
    private QemuTestHost machine = null!;
    private VmSpecification guest = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        machine = await QemuTestHost.CreateAsync();
        guest = await DemoGuestFixture.SpecifyAsync(machine.StateDirectory, "guest", Cancel);
    }

    public ValueTask DisposeAsync() => machine.DisposeAsync();

    [Fact]
    public async Task A_guest_runs_on_while_its_host_is_closed_and_is_found_again()
    {
        int processId, tick;
        GuestConsole console;
        await using (LocalHost first = await OpenAsync())
        {
            VmDescription vm = await BootAsync(first);
            Assert.StartsWith("pc-q35", vm.Specification.Qemu!.MachineType, StringComparison.Ordinal);
            processId = vm.Instance!.ProcessId!.Value;
            console = new GuestConsole(vm.Instance.SerialLogPath!);
            tick = console.LastTick();
        }

        await console.WaitForTickAsync(tick + 2, Cancel);
        await using LocalHost second = await OpenAsync();

        VmDescription found = await second.GetVmAsync(guest.Id, Cancel);
        Assert.Equal((VmState.Running, processId), (found.State, found.Instance!.ProcessId!.Value));
        Assert.Null(found.Capabilities!.EngineMigrationRefused);
        Assert.StartsWith("pc-q35", found.Specification.Qemu!.MachineType, StringComparison.Ordinal);
        Assert.Equal(VmState.Paused, (await second.PauseVmAsync(guest.Id, Cancel)).State);
        Assert.Equal(VmState.Running, (await second.ResumeVmAsync(guest.Id, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await second.StopVmAsync(guest.Id, force: false, Cancel)).State);
        AssertNothingLeft();
    }

    [Fact]
    public async Task A_killed_qemu_is_failed_leaves_nothing_and_can_be_started_again()
    {
        await using LocalHost host = await OpenAsync();
        VmDescription vm = await BootAsync(host);
        using (Process process = Process.GetProcessById(vm.Instance!.ProcessId!.Value)) process.Kill();

        while (vm.Instance is not null)
        {
            await Task.Delay(20, Cancel);
            vm = await host.GetVmAsync(guest.Id, Cancel);
        }

        Assert.Equal(VmState.Failed, vm.State);
        Assert.NotNull(vm.FailureMessage);
        AssertNothingLeft();
        Assert.Equal(VmState.Running, (await host.StartVmAsync(guest.Id, Cancel)).State);
        Assert.Equal(VmState.Stopped, (await host.StopVmAsync(guest.Id, force: true, Cancel)).State);
        await host.RemoveVmAsync(guest.Id, Cancel);
    }

    [Fact]
    public async Task A_qemu_that_no_journal_knows_is_removed_at_the_next_opening()
    {
        await using (LocalHost first = await OpenAsync()) await BootAsync(first);
        using (HostDirectory directory = HostDirectory.Open(machine.StateDirectory))
        using (HostJournal journal = HostJournal.Open(directory))
        {
            journal.DeleteVm(guest.Id);
        }

        await using LocalHost second = await OpenAsync();

        Assert.Empty(await second.ListVmsAsync(Cancel));
        AssertNothingLeft();
    }

    [Fact]
    public async Task A_guest_that_something_else_started_is_adopted_and_survives_the_adopting_host()
    {
        VmDescription vm;
        await using (LocalHost starter = await OpenAsync()) vm = await BootAsync(starter);
        var console = new GuestConsole(vm.Instance!.SerialLogPath!);

        await using (LocalHost adopter = await LocalHost.OpenAsync(new() { Name = "adopter" }, Cancel))
        {
            VmDescription adopted = await adopter.RegisterVmAsync(new("adopted", vm.Instance.QmpSocketPath!), Cancel);
            Assert.Equal((VmState.Running, "adopted"), (adopted.State, adopted.Specification.Name));
            Assert.Equal(guest.MemoryBytes, adopted.Specification.MemoryBytes);
            Assert.Equal(vm.Instance.ProcessId, adopted.Instance!.ProcessId);
        }

        await console.WaitForTickAsync(console.LastTick() + 2, Cancel);
        await using LocalHost again = await OpenAsync();
        Assert.Equal(VmState.Running, (await again.GetVmAsync(guest.Id, Cancel)).State);
        await again.StopVmAsync(guest.Id, force: true, Cancel);
    }

    [Fact]
    public async Task A_host_on_a_directory_of_its_own_takes_its_guests_along()
    {
        string directory;
        await using (LocalHost host = await LocalHost.OpenAsync(new() { Name = "short-lived" }, Cancel))
        {
            directory = (await host.DescribeAsync(Cancel)).StateDirectory;
            await host.CreateVmAsync(guest, Cancel);
            await host.StartVmAsync(guest.Id, Cancel);
            Assert.Single(QemuLauncher.FindProcesses(directory));
        }

        Assert.Empty(QemuLauncher.FindProcesses(directory));
        Assert.False(Directory.Exists(directory));
        Assert.DoesNotContain(guest.Id.ToString(), string.Join(' ', Directory.GetFiles("/dev/shm")), StringComparison.Ordinal);
    }

    private Task<LocalHost> OpenAsync() => LocalHost.OpenAsync(new() { Name = "here", StateDirectory = machine.StateDirectory }, Cancel);

    private async Task<VmDescription> BootAsync(LocalHost host)
    {
        await host.CreateVmAsync(guest, Cancel);
        VmDescription vm = await host.StartVmAsync(guest.Id, Cancel);
        await new GuestConsole(vm.Instance!.SerialLogPath!).WaitForTickAsync(1, Cancel);
        return vm;
    }

    private void AssertNothingLeft()
    {
        Assert.Empty(QemuLauncher.FindProcesses(machine.StateDirectory));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(machine.StateDirectory, "vms")));
        Assert.DoesNotContain(guest.Id.ToString(), string.Join(' ', Directory.GetFiles("/dev/shm")), StringComparison.Ordinal);
    }
}
