using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>
/// Hosts on this machine, each with the kernel features a test leaves it, and a Linux guest that keeps away from 16 MiB in the middle of
/// its RAM (<c>memmap=</c>), which the test fills instead: there the test chooses what goes bad, and when it is touched.
/// </summary>
internal sealed class PoisonHosts : IAsyncDisposable
{
    public const long ReservedAddress = 128L << 20;
    public const long ReservedBytes = 16L << 20;

    private const long MiB = 1 << 20;

    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-poison-");
    private readonly List<LocalHost> hosts = [];

    /// <summary>Opens a host under a name of its own.</summary>
    public async Task<LocalHost> OpenAsync(string name, KernelFeatures? features, CancellationToken cancellationToken)
    {
        string ram = Directory.CreateDirectory($"/dev/shm/{root.Name}-{name}").FullName;
        LocalHostOptions options = new() { Name = name, StateDirectory = Path.Combine(root.FullName, name), RamDirectory = ram };
        LocalHost host = new(await LocalHostParts.OpenAsync(
            options, (_, directory) => MakeHypervisors(directory, ram, features),
            parts => new LocalHostMigrations(parts), cancellationToken));
        hosts.Add(host);
        return host;
    }

    /// <summary>Closes a host and opens another on its directory, as after a restart of the engine.</summary>
    public async Task<LocalHost> ReopenAsync(LocalHost host, CancellationToken cancellationToken)
    {
        hosts.Remove(host);
        await host.DisposeAsync();
        return await OpenAsync(host.Name, null, cancellationToken);
    }

    /// <summary>Boots the guest, and fills and maps the memory that it keeps away from.</summary>
    public async Task<VmDescription> BootAsync(
        LocalHost host, CancellationToken cancellationToken, MemoryBacking backing = MemoryBacking.BasePages)
    {
        QemuGuest guest = await new QemuDemoGuest { FillBytes = 64 * MiB, RewriteBytes = 8 * MiB }
            .BuildAsync(Path.Combine(root.FullName, "guest"), cancellationToken);
        guest = guest with { KernelCommandLine = $"{guest.KernelCommandLine} memmap={ReservedBytes >> 20}M$0x{ReservedAddress:x}" };
        var specification = new VmSpecification { Name = "linux01", MemoryBytes = 256 * MiB, Backing = backing, Qemu = guest };
        await host.CreateVmAsync(specification, cancellationToken);
        VmDescription vm = await host.StartVmAsync(specification.Id, cancellationToken);
        await QemuHostPair.WaitForConsoleAsync(vm, "FILLED", 0, bootLimit, cancellationToken);
        using RamFileMemory memory = RamFileMemory.Open(vm.Instance!.RamFilePath!, vm.Specification.MemoryBytes);
        byte[] content = new byte[ReservedBytes];
        new Random(5).NextBytes(content);
        memory.Write(ReservedAddress, content);
        Touch(vm, ReservedAddress, ReservedBytes);
        return vm;
    }

    /// <summary>Maps pages in the VM's process by reading a byte of each; returns how many could not be read.</summary>
    public static int Touch(VmDescription vm, long ramOffset, long lengthBytes)
    {
        int processId = vm.Instance!.ProcessId!.Value;
        ulong address = ProcessMaps.FindFile(processId, vm.Instance.RamFilePath!)!.Start;
        using SafeFileHandle memory = OpenFile.ForReading($"/proc/{processId}/mem");
        int failed = 0;
        byte[] first = new byte[1];
        for (long offset = ramOffset; offset < ramOffset + lengthBytes; offset += GuestMemory.PageSizeBytes)
        {
            if (PositionalIo.Read(memory, (long)address + offset, first) != 1) failed++;
        }

        return failed;
    }

    /// <summary>Whether the VM's process maps the page at an offset of its RAM as part of a large one.</summary>
    public static bool IsMappedLarge(VmDescription vm, long ramOffset)
    {
        int processId = vm.Instance!.ProcessId!.Value;
        ulong position = ProcessMaps.FindFile(processId, vm.Instance.RamFilePath!)!.Start + (ulong)ramOffset;
        using var scan = new PagemapScan(processId);
        return !scan.Find(ref position, position + GuestMemory.PageSizeBytes, PageCategories.Huge, PageCategories.None).IsEmpty;
    }

    /// <summary>Migrates and waits for the end.</summary>
    public static async Task<MigrationStatus> MigrateAsync(
        LocalHost source, Guid vmId, LocalHost destination, MigrationOptions options, CancellationToken cancellationToken)
    {
        MigrationStatus status = await MigrationBroker.StartAsync(source, vmId, destination, options, cancellationToken);
        await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, cancellationToken)) status = next;
        return status;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LocalHost host in hosts)
        {
            foreach (VmDescription vm in await host.ListVmsAsync(CancellationToken.None))
            {
                if (vm.State != VmState.Stopped) await host.StopVmAsync(vm.Specification.Id, force: true, CancellationToken.None);
            }

            await host.DisposeAsync();
        }

        Assert.Empty(QemuLauncher.FindProcesses(root.FullName));
        root.Delete(recursive: true);
        foreach (string ram in Directory.GetDirectories("/dev/shm", root.Name + "-*")) Directory.Delete(ram, recursive: true);
    }

    private static HypervisorSet MakeHypervisors(HostDirectory directory, string ram, KernelFeatures? features)
    {
        var qemu = new QemuHypervisor(new() { StateDirectory = directory.Path, RamDirectory = ram, Features = features });
        return new([new EmbeddedHypervisor(), qemu]) { RemoveLeftovers = qemu.RemoveLeftoversAsync, Close = qemu.RemoveUnusedFileSystems };
    }
}
