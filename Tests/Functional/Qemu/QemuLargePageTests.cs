using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>QEMU's RAM on large pages: what is mounted, for how long, and what happens where that cannot be.</summary>
[Collection(LargePageGroup.Name)]
public sealed class QemuLargePageTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_file_system_is_mounted_with_the_first_vm_and_gone_with_the_last()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        await using QemuTestHost other = await QemuTestHost.CreateAsync();
        Assert.Empty(MountsOf(host));

        IVirtualMachine first = await host.TrackAsync(host.Hypervisor.StartAsync(Small("first"), Token));
        IVirtualMachine second = await host.TrackAsync(host.Hypervisor.StartAsync(Small("second"), Token));
        IVirtualMachine elsewhere = await other.TrackAsync(other.Hypervisor.StartAsync(Small("elsewhere"), Token));

        MountEntry mount = Assert.Single(MountsOf(host));
        Assert.Equal(("tmpfs", "vmmigration"), (mount.FileSystemType, mount.Source));
        Assert.Contains("huge=always", mount.Options, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, QemuHypervisorTests.Mode(mount.MountPoint));
        Assert.All([first, second], vm => Assert.Equal(mount.MountPoint, Path.GetDirectoryName(vm.Instance.RamFilePath)));
        Assert.Null(first.Capabilities.LargePagesRefused);
        Assert.Equal(1, first.ReadLargePageCoverage()!.Share, 0.01);
        await first.DestroyAsync();
        Assert.Single(MountsOf(host));
        await second.DestroyAsync();
        Assert.Empty(MountsOf(host));
        Assert.False(Directory.Exists(mount.MountPoint));
        Assert.Single(MountsOf(other));
        await elsewhere.DestroyAsync();
        Assert.Empty(MountsOf(other));
    }

    [Fact]
    public async Task What_a_killed_engine_left_mounted_is_unmounted_at_the_next_start_but_not_under_a_vm_that_runs()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine kept = await host.TrackAsync(host.Hypervisor.StartAsync(Small("kept"), Token));
        IVirtualMachine lost = await host.TrackAsync(host.Hypervisor.StartAsync(Small("lost"), Token));
        await host.DetachAsync(kept);
        await host.DetachAsync(lost);
        var again = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = host.StateDirectory });

        await again.RemoveLeftoversAsync([kept.Instance], Token);

        Assert.Single(MountsOf(host));
        IVirtualMachine found = await again.AdoptAsync(kept.Specification, kept.Instance, Token);
        Assert.Null(found.Capabilities.LargePagesRefused);
        await found.DisposeAsync();
        IReadOnlyList<string> removed = await again.RemoveLeftoversAsync([], Token);
        Assert.Contains(removed, path => path.EndsWith("ram-huge", StringComparison.Ordinal));
        Assert.Empty(MountsOf(host));
    }

    [Fact]
    public async Task A_host_keeps_the_mount_for_its_vm_and_takes_it_away_when_the_vm_was_killed_meanwhile()
    {
        await using QemuTestHost machine = await QemuTestHost.CreateAsync();
        var options = new LocalHostOptions { Name = "here", StateDirectory = machine.StateDirectory };
        VmSpecification specification = Small("killed");
        int processId;
        await using (LocalHost first = await LocalHost.OpenAsync(options, Token))
        {
            await first.CreateVmAsync(specification, Token);
            processId = (await first.StartVmAsync(specification.Id, Token)).Instance!.ProcessId!.Value;
        }

        Assert.Single(MountsOf(machine));
        using (PidFd process = PidFd.Open(processId))
        {
            process.SendSignal(PidFd.SignalKill);
            await process.Exited.WaitAsync(TimeSpan.FromSeconds(10), Token);
        }

        await using LocalHost second = await LocalHost.OpenAsync(options, Token);

        Assert.Empty(MountsOf(machine));
        VmDescription vm = await second.StartVmAsync(specification.Id, Token);
        Assert.Null(vm.Capabilities!.LargePagesRefused);
        Assert.Equal(1, (await second.ReadLargePagesAsync(specification.Id, Token))!.Share, 0.01);
        await second.StopVmAsync(specification.Id, force: true, Token);
        Assert.Empty(MountsOf(machine));
    }

    [Fact]
    public async Task A_mount_that_was_in_use_when_its_last_vm_went_is_taken_away_later()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("watched"), Token));
        string ram = vm.Instance.RamFilePath!;
        using (FileStream watcher = File.OpenRead(ram))
        {
            await vm.DestroyAsync();
            Assert.Single(MountsOf(host));
        }

        host.Hypervisor.RemoveUnusedFileSystems();

        Assert.Empty(MountsOf(host));
    }

    [Theory]
    [InlineData(nameof(KernelFeatures.HugeTmpfs), "large pages of shared memory")]
    [InlineData(nameof(KernelFeatures.Mount), "the right to mount")]
    public async Task Without_a_tmpfs_of_large_pages_the_vm_is_on_small_ones_and_says_why(string missing, string reason)
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync(Without(missing));

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(Small("poor"), Token));

        Assert.Contains(reason, vm.Capabilities.LargePagesRefused, StringComparison.Ordinal);
        Assert.Contains(reason, host.Hypervisor.FindLargePageObstacle(Small("next")), StringComparison.Ordinal);
        Assert.Equal("/dev/shm", Path.GetDirectoryName(vm.Instance.RamFilePath));
        Assert.Empty(MountsOf(host));
        Assert.Equal(0, vm.ReadLargePageCoverage()!.LargeBytes);
        Assert.Equal(MemoryBacking.TransparentHugePages, vm.Specification.Backing);
    }

    [Fact]
    public async Task Without_process_madvise_large_pages_are_left_to_the_guests_faults()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync(Without(nameof(KernelFeatures.ProcessMadvise)));

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.PrepareIncomingAsync(Small("slow"), StateContents.Devices, Token));

        Assert.Null(vm.Capabilities.LargePagesRefused);
        Assert.Contains("MADV_COLLAPSE", vm.Capabilities.PopulationRefused, StringComparison.Ordinal);
        Assert.Null(await vm.StartPopulationAsync(Token));
    }

    [Fact]
    public async Task Large_pages_that_tracing_took_apart_are_mapped_whole_again()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = await DemoGuestFixture.SpecifyAsync(host.StateDirectory, "traced", Token);
        IVirtualMachine vm = await host.TrackAsync(
            host.Hypervisor.StartAsync(specification with { Backing = MemoryBacking.TransparentHugePages }, Token));
        await new GuestConsole(vm).WaitForTickAsync(1, Token);
        using (Userfaultfd userfaultfd = Userfaultfd.CreateInside(PidFdOf(vm, out PidFd process), AsyncWriteTrace.RequiredFeatures))
        using (process)
        {
            // Protecting by UFFDIO_WRITEPROTECT, as a trace in coarse units does, drops every large mapping.
            ProcessMapping ram = ProcessMaps.FindFile(process.ProcessId, vm.Instance.RamFilePath!)!;
            userfaultfd.Register(ram.Start, (ulong)ram.SizeBytes, UserfaultfdModes.WriteProtect);
            Assert.Equal(UserfaultfdOutcome.Done, userfaultfd.WriteProtect(ram.Start, (ulong)ram.SizeBytes, protect: true));
            userfaultfd.Unregister(ram.Start, (ulong)ram.SizeBytes);
        }

        Assert.InRange(vm.ReadLargePageCoverage()!.Share, 0, 0.5);
        await vm.RestoreLargePagesAsync(Token);

        Assert.InRange(vm.ReadLargePageCoverage()!.Share, 0.99, 1);
    }

    [Fact]
    public async Task Reserved_large_pages_are_used_where_enough_are_free_and_named_where_not()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = Small("reserved") with { Backing = MemoryBacking.HugeTlb };
        using var pages = new ReservedLargePages((int)(specification.MemoryBytes >> 21));

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.StartAsync(specification, Token));
        IVirtualMachine late = await host.TrackAsync(
            host.Hypervisor.StartAsync(specification with { Id = Guid.NewGuid(), Name = "late" }, Token));

        Assert.Null(vm.Capabilities.LargePagesRefused);
        Assert.Null(vm.Capabilities.EngineMigrationRefused);
        Assert.Equal("hugetlbfs", Assert.Single(MountsOf(host)).FileSystemType);
        Assert.Equal(1, vm.ReadLargePageCoverage()!.Share);
        Assert.Contains("vm.nr_hugepages", late.Capabilities.LargePagesRefused, StringComparison.Ordinal);
        Assert.Equal("/dev/shm", Path.GetDirectoryName(late.Instance.RamFilePath));
        await vm.DestroyAsync();
        Assert.Empty(MountsOf(host));
    }

    [Fact]
    public async Task A_qemu_that_something_else_started_is_registered_with_the_pages_it_has()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        using var pages = new ReservedLargePages(64);
        await using ForeignQemu foreign = await ForeignQemu.StartAsync(
            host, Token, "-nodefaults", "-M", "q35,memory-backend=ram", "-m", "128M", "-S",
            "-object", "memory-backend-memfd,id=ram,size=128M,share=on,hugetlb=on,hugetlbsize=2M");

        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.RegisterAsync(foreign.QmpSocketPath, "foreign", Token));

        Assert.Equal(MemoryBacking.HugeTlb, vm.Specification.Backing);
        Assert.Null(vm.Capabilities.EngineMigrationRefused);
        byte[] written = [1, 2, 3];
        vm.Memory.Write(5 << 20, written);
        byte[] read = new byte[3];
        Assert.Equal(3, vm.Memory.TryRead(5 << 20, read));
        Assert.Equal(written, read);
    }

    // Firmware only: it finds nothing to boot from and waits.
    private static VmSpecification Small(string name) =>
        QemuHypervisorTests.Small(name) with { Backing = MemoryBacking.TransparentHugePages };

    private static KernelFeatures Without(string feature)
    {
        KernelFeatures all = KernelFeatures.Probe();
        return feature switch
        {
            nameof(KernelFeatures.HugeTmpfs) => all with { HugeTmpfs = false },
            nameof(KernelFeatures.Mount) => all with { Mount = false },
            _ => all with { ProcessMadvise = false },
        };
    }

    private static PidFd PidFdOf(IVirtualMachine vm, out PidFd process) => process = PidFd.Open(vm.Instance.ProcessId!.Value);

    private static MountEntry[] MountsOf(QemuTestHost host) =>
        [.. MountTable.Read().Where(mount => mount.MountPoint.StartsWith(host.StateDirectory, StringComparison.Ordinal))];
}
