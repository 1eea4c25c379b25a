using System.Text.Json.Nodes;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>VMs that something else started.</summary>
public sealed class QemuRegistrationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("memory-backend-memfd,id=mem0,size=192M,share=on", "q35,memory-backend=mem0")]
    [InlineData("memory-backend-file,id=ram,size=192M,share=on,mem-path=FILE", "q35,memory-backend=ram")]
    public async Task A_guest_with_shared_memory_moves_like_one_of_the_engines_own(string backend, string machine)
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        string ramFile = QemuTestHost.ChooseForeignRamFile();
        VmSpecification demo = await DemoGuestFixture.SpecifyAsync(host.StateDirectory, "foreign", Token);
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(
            host, Token, "-nodefaults", "-no-user-config", "-vga", "none", "-name", "guest=web-1",
            "-uuid", "0b2cf53e-9a4f-4d7c-8a44-0f6d1f2f3a4b", "-smp", "2", "-m", "192M", "-cpu", "max", "-machine", machine,
            "-object", backend.Replace("FILE", ramFile, StringComparison.Ordinal),
            "-kernel", demo.Qemu!.KernelPath!, "-initrd", demo.Qemu.InitrdPath!, "-append", demo.Qemu.KernelCommandLine!);
        var console = new GuestConsole(foreign.SerialLogPath);
        await console.WaitForTickAsync(1, Token);

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, name: null, Token));

        Assert.Null(vm.Capabilities.EngineMigrationRefused);
        Assert.Equal("web-1", vm.Specification.Name);
        Assert.Equal(Guid.Parse("0b2cf53e-9a4f-4d7c-8a44-0f6d1f2f3a4b"), vm.Specification.Id);
        Assert.Equal(2, vm.Specification.VcpuCount);
        Assert.Equal(DemoGuestFixture.MemoryBytes, vm.Specification.MemoryBytes);
        Assert.Equal(foreign.ProcessId, vm.Instance.ProcessId);
        Assert.StartsWith("pc-q35-", vm.Specification.Qemu!.MachineType, StringComparison.Ordinal);
        using (WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token))
        {
            await Task.Delay(500, Token);
            var written = new PageSet(vm.Memory.PageCount);
            trace.CollectAndRearm(written);
            Assert.InRange(written.Count, 1, vm.Memory.PageCount / 2);
        }

        // To a QEMU of the engine's own, built from what was found out about the foreign one.
        await vm.PauseAsync(Token);
        using var state = new MemoryStream();
        await vm.SaveStateAsync(state, StateContents.Devices, Token);
        IVirtualMachine incoming = await host.TrackAsync(
            host.Hypervisor.PrepareIncomingAsync(vm.Specification, StateContents.Devices, Token));
        GuestMemoryCopy.CopyData(vm.Memory, incoming.Memory);
        state.Position = 0;
        await incoming.LoadStateAsync(state, Token);
        int tick = console.LastTick();
        await incoming.ResumeAsync(Token);
        await new GuestConsole(incoming).WaitForTickAsync(tick + 2, Token);

        await vm.DestroyAsync();
        Assert.True(foreign.HasExited);
        Assert.False(File.Exists(foreign.QmpSocketPath));
        Assert.False(File.Exists(ramFile));
    }

    [Fact]
    public async Task A_guest_with_private_memory_says_why_only_qemus_own_migration_moves_it()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(host, Token, "-nodefaults", "-M", "q35", "-m", "128M", "-S");

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, "given", Token));

        Assert.Equal("given", vm.Specification.Name);
        Assert.Equal(128L << 20, vm.Specification.MemoryBytes);
        Assert.Equal(VmState.Paused, await vm.GetStateAsync(Token));
        Assert.Contains("private", vm.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
        Assert.Contains("private", vm.Capabilities.PopulationRefused, StringComparison.Ordinal);
        var refusedTrace = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token));
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, refusedTrace.Reason);
        var refusedSave = await Assert.ThrowsAsync<MigrationException>(() => vm.SaveStateAsync(Stream.Null, StateContents.Devices, Token));
        Assert.Equal(MigrationErrorReason.InvalidState, refusedSave.Reason);
        Assert.Equal(MigrationErrorReason.InvalidState, Assert.Throws<MigrationException>(() => vm.Memory.TryRead(0, new byte[1])).Reason);

        IVirtualMachine incoming = await host.TrackAsync(
            host.Hypervisor.PrepareIncomingAsync(vm.Specification, StateContents.DevicesAndMemory, Token));
        using var state = new MemoryStream();
        await vm.SaveStateAsync(state, StateContents.DevicesAndMemory, Token);
        state.Position = 0;
        await incoming.LoadStateAsync(state, Token);
        Assert.Equal(VmState.Paused, await incoming.GetStateAsync(Token));
    }

    [Fact]
    public async Task A_guest_with_direct_disk_access_says_which_disk_bypasses_the_write_trace()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        string disk = Path.Combine(host.StateDirectory, "disk.raw");
        await File.WriteAllBytesAsync(disk, new byte[1 << 20], Token);
        string[] direct =
        [
            "-blockdev", $"driver=file,node-name=data-file,cache.direct=on,filename={disk}",
            "-blockdev", "driver=raw,node-name=data,file=data-file", "-device", "virtio-blk-pci,drive=data",
        ];
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(
            host, Token,
            ["-nodefaults", "-m", "64M", "-S", "-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-M", "q35,memory-backend=ram", .. direct]);

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, "direct", Token));

        Assert.Contains("'data-file'", vm.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
        Assert.Contains("cache.direct=on", vm.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token));
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, refused.Reason);
        await vm.DestroyAsync();

        VmSpecification demo = await DemoGuestFixture.SpecifyAsync(host.StateDirectory, "own", Token);
        IVirtualMachine own = await host.TrackAsync(
            host.Hypervisor.StartAsync(demo with { Qemu = demo.Qemu! with { ExtraArguments = direct } }, Token));
        Assert.Contains("'data-file'", own.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_plugged_in_for_direct_access_after_the_attach_stops_the_trace_too()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        string disk = Path.Combine(host.StateDirectory, "disk.raw");
        await File.WriteAllBytesAsync(disk, new byte[1 << 20], Token);
        string secondMonitor = Path.Combine(host.StateDirectory, "second.sock");
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(
            host, Token, "-nodefaults", "-m", "64M", "-S", "-object", "memory-backend-memfd,id=ram,size=64M,share=on",
            "-M", "q35,memory-backend=ram", "-qmp", $"unix:{secondMonitor},server=on,wait=off");
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, "plugged", Token));
        Assert.Null(vm.Capabilities.EngineMigrationRefused);

        await using QmpClient other = await QmpClient.ConnectAsync(secondMonitor, Token);
        var node = new JsonObject
        {
            ["driver"] = "file", ["node-name"] = "late", ["filename"] = disk, ["cache"] = new JsonObject { ["direct"] = true },
        };
        await other.ExecuteAsync("blockdev-add", node, Token);

        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token));
        Assert.Contains("'late'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_that_another_client_holds_is_named()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(host, Token, "-nodefaults", "-m", "64M", "-S");
        await using QmpClient holder = await QmpClient.ConnectAsync(foreign.QmpSocketPath, Token);

        var failure = await Assert.ThrowsAsync<MigrationException>(() => host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, null, Token));

        Assert.Equal(MigrationErrorReason.HypervisorFailed, failure.Reason);
        Assert.Contains(foreign.QmpSocketPath, failure.Message, StringComparison.Ordinal);
        Assert.False(foreign.HasExited);
    }

    [Fact]
    public async Task Letting_go_of_a_registered_vm_leaves_it_as_it_is()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(host, Token, "-nodefaults", "-m", "64M", "-S");
        IVirtualMachine first = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, "one", Token));
        using var state = new MemoryStream();
        await first.SaveStateAsync(state, StateContents.DevicesAndMemory, Token);
        await host.DetachAsync(first);

        IVirtualMachine second = await host.TrackAsync(host.Hypervisor.AdoptAsync(first.Specification, first.Instance, Token));

        Assert.False(foreign.HasExited);
        Assert.Equal(VmState.Paused, await second.GetStateAsync(Token));
        Assert.Equal(foreign.ProcessId, second.Instance.ProcessId);
    }
}
