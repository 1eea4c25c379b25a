using System.Diagnostics;
using System.Globalization;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>How VMs come and go: start, failure, adoption, exit, destruction, leftovers.</summary>
public sealed class QemuHypervisorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_vm_names_the_machine_version_and_accelerator_a_destination_must_build()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("pinned"), Token));

        Assert.Null(await host.Hypervisor.FindObstacleAsync(Token));
        Assert.Matches("^pc-q35-[0-9.]+$", vm.Specification.Qemu!.MachineType);
        Assert.NotEqual(QemuAccelerator.Auto, vm.Specification.Qemu.Accelerator);
        Assert.Equal(vm.Instance.Accelerator, QemuCommandLine.AcceleratorName(vm.Specification.Qemu.Accelerator));
        Assert.Equal(VmState.Running, await vm.GetStateAsync(Token));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Mode(vm.Instance.RamFilePath!));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            Mode(Path.GetDirectoryName(vm.Instance.QmpSocketPath)!));
    }

    [Fact]
    public async Task A_failing_start_carries_qemus_own_words_and_leaves_nothing()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = Small("broken");

        var noKernel = await Assert.ThrowsAsync<MigrationException>(() => host.Hypervisor.StartAsync(
            specification with { Qemu = new QemuGuest { KernelPath = "/nonexistent/vmlinuz" } }, Token));
        var noMachine = await Assert.ThrowsAsync<MigrationException>(() => host.Hypervisor.PrepareIncomingAsync(
            specification with { Qemu = new QemuGuest { MachineType = "pc-q35-99.9" } }, StateContents.Devices, Token));

        Assert.Equal(MigrationErrorReason.HypervisorFailed, noKernel.Reason);
        Assert.Contains("could not open kernel file '/nonexistent/vmlinuz'", noKernel.Message, StringComparison.Ordinal);
        Assert.Equal(MigrationErrorReason.HypervisorFailed, noMachine.Reason);
        Assert.Contains("unsupported machine type", noMachine.Message, StringComparison.Ordinal);
        AssertNoFiles(specification.Id);
    }

    [Fact]
    public async Task A_destroy_that_failed_is_finished_by_the_next()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("held"), Token));
        string directory = Path.GetDirectoryName(vm.Instance.QmpSocketPath)!;
        string held = Directory.CreateDirectory(Path.Combine(directory, "held")).FullName;
        await RunAsync("mount", "-t", "tmpfs", "tmpfs", held);
        try
        {
            await Assert.ThrowsAsync<IOException>(vm.DestroyAsync);
            await Assert.ThrowsAsync<IOException>(vm.DestroyAsync);
        }
        finally
        {
            await RunAsync("umount", held);
        }

        await vm.DestroyAsync();
        Assert.False(Directory.Exists(directory));
        Assert.False(File.Exists(vm.Instance.RamFilePath));
    }

    [Fact]
    public async Task A_guest_larger_than_the_memory_file_system_is_refused_before_anything_is_made()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = Small("huge") with { MemoryBytes = 1L << 50 };

        var failure = await Assert.ThrowsAsync<MigrationException>(() => host.Hypervisor.StartAsync(specification, Token));

        Assert.Equal(MigrationErrorReason.OutOfSpace, failure.Reason);
        AssertNoFiles(specification.Id);
    }

    [Fact]
    public async Task A_missing_program_or_ram_directory_is_an_obstacle_that_says_what_to_do()
    {
        string state = Path.GetTempPath();
        var noProgram = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = state, ProgramPath = "/nonexistent/qemu" });
        var noRam = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = state, RamDirectory = "/nonexistent" });

        Assert.Contains("apt-get install qemu-system-x86", await noProgram.FindObstacleAsync(Token), StringComparison.Ordinal);
        Assert.Contains("dnf install qemu-system-x86", await noProgram.FindObstacleAsync(Token), StringComparison.Ordinal);
        Assert.Contains("/nonexistent", await noRam.FindObstacleAsync(Token), StringComparison.Ordinal);
        var failure = await Assert.ThrowsAsync<MigrationException>(() => noProgram.StartAsync(Small("none"), Token));
        Assert.Equal(MigrationErrorReason.PrerequisiteMissing, failure.Reason);
    }

    [Fact]
    public async Task A_state_directory_too_deep_for_a_socket_is_refused_with_the_number_of_bytes()
    {
        var hypervisor = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = "/tmp/" + new string('d', 100) });

        var failure = await Assert.ThrowsAsync<MigrationException>(() => hypervisor.StartAsync(Small("deep"), Token));

        Assert.Equal(MigrationErrorReason.InvalidArgument, failure.Reason);
        Assert.Contains("bytes shorter", failure.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Features_forced_off_turn_the_mechanisms_off_and_say_why()
    {
        KernelFeatures features = KernelFeatures.Probe() with { PagemapScan = false, KernelModeFaults = false, MinorShmem = false };
        await using QemuTestHost host = await QemuTestHost.CreateAsync(features);

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.PrepareIncomingAsync(Small("poor"), StateContents.Devices, Token));

        Assert.Contains("PAGEMAP_SCAN", vm.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
        Assert.Contains("UFFDIO_CONTINUE", vm.Capabilities.PopulationRefused, StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token));
        Assert.Contains("PAGEMAP_SCAN", refused.Message, StringComparison.Ordinal);
        Assert.Null(await vm.StartPopulationAsync(Token));
    }

    public static TheoryData<string, int, WriteTraceMechanism, int, string?> TracesWithout => new()
    {
        { "", WriteTrace.AutoGranularity, WriteTraceMechanism.AdaptiveWriteProtect, 4 << 10, null },
        { "KernelModeFaults", WriteTrace.AutoGranularity, WriteTraceMechanism.AsyncWriteProtect, 4 << 10, "root" },
        { "KernelModeFaults", 2 << 20, WriteTraceMechanism.AsyncWriteProtect, 4 << 10, "root" },
        { "PagemapScan", WriteTrace.AutoGranularity, WriteTraceMechanism.SyncWriteProtect, 2 << 20, "PAGEMAP_SCAN" },
        { "WriteProtectAsync", 4 << 10, WriteTraceMechanism.SyncWriteProtect, 4 << 10, "asynchronous" },
    };

    [Theory]
    [MemberData(nameof(TracesWithout))]
    public async Task A_feature_forced_off_leaves_the_other_way_to_trace_and_the_trace_says_why(
        string missing, int wanted, WriteTraceMechanism mechanism, int granularityBytes, string? why)
    {
        KernelFeatures all = KernelFeatures.Probe();
        KernelFeatures features = missing switch
        {
            "KernelModeFaults" => all with { KernelModeFaults = false },
            "PagemapScan" => all with { PagemapScan = false },
            "WriteProtectAsync" => all with { WriteProtectAsync = false },
            _ => all,
        };
        await using QemuTestHost host = await QemuTestHost.CreateAsync(features);
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("traced"), Token));

        Assert.Null(vm.Capabilities.EngineMigrationRefused);
        Assert.Equal(missing == "KernelModeFaults", vm.Capabilities.CoarseTraceRefused is not null);
        using WriteTrace trace = await vm.StartWriteTraceAsync(wanted, Token);
        Assert.Equal((mechanism, granularityBytes), (trace.Mechanism, trace.GranularityBytes));
        if (why is null) Assert.Null(trace.Fallback);
        else Assert.Contains(why, trace.Fallback, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_on_a_disk_file_system_is_left_to_qemus_own_migration()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        var onDisk = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = host.StateDirectory, RamDirectory = "/var/tmp" });

        IVirtualMachine vm = await host.TrackAsync(onDisk.StartAsync(Small("slow"), Token));

        Assert.Contains("not on a tmpfs", vm.Capabilities.EngineMigrationRefused, StringComparison.Ordinal);
        Assert.Null(await vm.StartPopulationAsync(Token));
        await vm.DestroyAsync();
        Assert.Empty(Directory.GetFiles("/var/tmp", $"*{vm.Specification.Id}*"));
    }

    [Fact]
    public async Task An_engine_that_comes_back_finds_its_vm_as_it_was_and_takes_the_brake_off()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine before = await DemoGuestFixture.BootAsync(host, "kept", Token);
        await host.DetachAsync(before);
        var again = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = host.StateDirectory });
        Assert.Empty(await again.RemoveLeftoversAsync([before.Instance], Token));

        // What an engine leaves behind that is killed while it holds a guest back.
        using CpuControlGroup brake = CpuControlGroup.Create(
            before.Instance.ProcessId!.Value,
            [.. Directory.GetDirectories($"/proc/{before.Instance.ProcessId}/task").Select(path => int.Parse(Path.GetFileName(path)))]);
        brake.SetShare(0.05);
        IVirtualMachine vm = await host.TrackAsync(again.AdoptAsync(before.Specification, before.Instance, Token));

        Assert.Equal(before.Instance, vm.Instance);
        Assert.Equal(VmState.Running, await vm.GetStateAsync(Token));
        Assert.False(CpuControlGroup.LiftLeftover(vm.Instance.ProcessId!.Value));
        var console = new GuestConsole(vm);
        await console.WaitForTickAsync(console.LastTick() + 2, Token);
        using WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Token);
        await Task.Delay(300, Token);
        var written = new PageSet(vm.Memory.PageCount);
        trace.CollectAndRearm(written);
        Assert.InRange(written.Count, 1, vm.Memory.PageCount / 2);
    }

    [Fact]
    public async Task A_vm_that_is_gone_is_not_adopted()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.Hypervisor.StartAsync(Small("gone"), Token);
        await vm.DestroyAsync();

        var failure = await Assert.ThrowsAsync<MigrationException>(() => host.Hypervisor.AdoptAsync(vm.Specification, vm.Instance, Token));

        Assert.Equal(MigrationErrorReason.VmExited, failure.Reason);
    }

    [Fact]
    public async Task Destruction_leaves_no_process_and_no_file_and_can_be_repeated()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.Hypervisor.StartAsync(Small("short"), Token);
        await vm.SetVcpuShareAsync(0.5, Token);

        await Task.WhenAll(vm.DestroyAsync(), vm.DestroyAsync());
        await vm.DestroyAsync();

        AssertNoFiles(vm.Specification.Id);
        Assert.False(Directory.Exists(Path.GetDirectoryName(vm.Instance.QmpSocketPath)));
        Assert.Empty(QemuLauncher.FindProcesses(host.StateDirectory));
        Assert.StartsWith("The engine ended", await vm.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_killed_vm_is_noticed_and_what_it_left_can_be_removed()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("killed"), Token));
        using (PidFd process = PidFd.Open(vm.Instance.ProcessId!.Value)) process.SendSignal(PidFd.SignalKill);

        string how = await vm.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token);

        Assert.Contains("killed", how, StringComparison.Ordinal);
        Assert.Equal(VmState.Failed, await vm.GetStateAsync(Token));
        await vm.DestroyAsync();
        AssertNoFiles(vm.Specification.Id);
    }

    [Fact]
    public async Task A_guest_follows_a_request_to_shut_down()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await DemoGuestFixture.BootAsync(host, "polite", Token);

        await vm.ShutdownAsync(TimeSpan.FromSeconds(30), Token);

        Assert.Equal("The guest shut down.", await vm.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token));
        AssertNoFiles(vm.Specification.Id);
    }

    [Fact]
    public async Task A_guest_that_does_not_shut_down_in_time_runs_on()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("deaf"), Token));

        var failure = await Assert.ThrowsAsync<MigrationException>(() => vm.ShutdownAsync(TimeSpan.FromMilliseconds(300), Token));

        Assert.Equal(MigrationErrorReason.TimedOut, failure.Reason);
        Assert.Equal(VmState.Running, await vm.GetStateAsync(Token));
    }

    [Fact]
    public async Task Leftovers_of_a_killed_engine_are_removed_and_known_vms_are_not()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine known = await host.TrackAsync(host.Hypervisor.StartAsync(Small("known"), Token));
        IVirtualMachine unknown = await host.TrackAsync(host.Hypervisor.StartAsync(Small("unknown"), Token));
        string torso = Directory.CreateDirectory(Path.Combine(host.StateDirectory, "vms", "0000-torso")).FullName;

        IReadOnlyList<string> removed = await host.Hypervisor.RemoveLeftoversAsync([known.Instance], Token);

        Assert.Equal([torso, Path.GetDirectoryName(unknown.Instance.QmpSocketPath)!], removed.Order());
        await unknown.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token);
        AssertNoFiles(unknown.Specification.Id);
        Assert.Equal(VmState.Running, await known.GetStateAsync(Token));
        Assert.True(File.Exists(known.Instance.RamFilePath));
    }

    [Fact]
    public async Task A_qemu_that_answers_nobody_is_ended_by_its_process_and_leaves_nothing()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("stuck"), Token));
        using (var stop = Process.Start("kill", ["-STOP", vm.Instance.ProcessId!.Value.ToString(CultureInfo.InvariantCulture)]))
        {
            await stop.WaitForExitAsync(Token);
            Assert.Equal(0, stop.ExitCode);
        }

        await host.Hypervisor.EndAsync(vm.Instance).WaitAsync(TimeSpan.FromSeconds(10), Token);

        await vm.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token);
        AssertNoFiles(vm.Specification.Id);
        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(
            () => host.Hypervisor.EndAsync(vm.Instance with { QmpSocketPath = "/run/somebody/else.qmp" }));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    [Fact]
    public async Task A_demo_guest_without_its_parts_names_the_packages()
    {
        var noKernel = new QemuDemoGuest { KernelDirectory = "/nonexistent" };
        var noBusybox = new QemuDemoGuest { BusyboxPath = "/bin/sh" };
        var tooMuch = new QemuDemoGuest { FillBytes = 64 << 20, RewriteBytes = 48 << 20 };

        Assert.Contains("linux-image-cloud-amd64", noKernel.FindObstacle(), StringComparison.Ordinal);
        Assert.Contains("busybox-static", noBusybox.FindObstacle(), StringComparison.Ordinal);
        string directory = Path.GetTempPath();
        Assert.Equal(
            MigrationErrorReason.PrerequisiteMissing,
            (await Assert.ThrowsAsync<MigrationException>(() => noKernel.BuildAsync(directory, Token))).Reason);
        Assert.Equal(
            MigrationErrorReason.InvalidArgument,
            (await Assert.ThrowsAsync<MigrationException>(() => tooMuch.BuildAsync(directory, Token))).Reason);
    }

    // Firmware only: it finds nothing to boot from and waits.
    internal static VmSpecification Small(string name) => new() { Name = name, MemoryBytes = 64 << 20, Qemu = new QemuGuest() };

    private static async Task RunAsync(string command, params string[] arguments)
    {
        using Process process = Process.Start(command, arguments);
        await process.WaitForExitAsync(Token);
        Assert.Equal(0, process.ExitCode);
    }

    internal static UnixFileMode Mode(string path) => OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(path);

    private static void AssertNoFiles(Guid vmId) => Assert.Empty(Directory.GetFiles("/dev/shm", $"*{vmId}*"));
}
