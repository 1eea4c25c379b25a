using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Functional.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>Two hosts on this machine that share no storage, and the guest of <see cref="DiskGuest"/> on the first.</summary>
internal sealed class DiskHosts : IAsyncDisposable
{
    private static readonly TimeSpan limit = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-");
    private readonly string ramDirectory;

    private DiskHosts() => ramDirectory = Directory.CreateDirectory($"/dev/shm/{root.Name}").FullName;

    public LocalHost Source { get; private set; } = null!;

    public LocalHost Destination { get; private set; } = null!;

    /// <summary>Where the source's disks are.</summary>
    public string SourceStore => Path.Combine(root.FullName, "a", "disks");

    /// <summary>Where the destination's disks come to.</summary>
    public string DestinationStore => Path.Combine(root.FullName, "b", "disks");

    /// <summary>For files of a test.</summary>
    public string Scratch => root.FullName;

    public static async Task<DiskHosts> OpenAsync(CancellationToken cancellationToken)
    {
        var hosts = new DiskHosts();
        hosts.Source = await hosts.OpenAsync("source", "a", cancellationToken);
        hosts.Destination = await hosts.OpenAsync("destination", "b", cancellationToken);
        return hosts;
    }

    /// <summary>Boots the guest and waits until it writes.</summary>
    public async Task<VmDescription> BootAsync(long filledBytes, CancellationToken cancellationToken)
    {
        VmSpecification specification = await DiskGuest.MakeAsync(SourceStore, root.FullName, filledBytes, cancellationToken);
        await Source.CreateVmAsync(specification, cancellationToken);
        VmDescription vm = await Source.StartVmAsync(specification.Id, cancellationToken);
        await QemuHostPair.WaitForConsoleAsync(vm, "tick 3", 0, limit, cancellationToken);
        return vm;
    }

    /// <summary>Follows a migration to its end.</summary>
    public static async Task<MigrationStatus> FollowAsync(
        IMigrationHost host, MigrationStatus started, Action<MigrationStatus>? observe, CancellationToken cancellationToken)
    {
        MigrationStatus last = started;
        await foreach (MigrationStatus status in host.WatchMigrationAsync(started.Id, cancellationToken))
        {
            last = status;
            observe?.Invoke(status);
        }

        return last;
    }

    /// <summary>Waits until the VM has one file per disk again.</summary>
    public static async Task<IReadOnlyList<QemuDisk>> WaitForMergeAsync(IMigrationHost host, Guid vmId, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        while (true)
        {
            IReadOnlyList<QemuDisk> disks = (await host.GetVmAsync(vmId, cancellationToken)).Specification.Qemu!.Disks;
            if (!disks.Any(OverlayMerges.IsPending)) return disks;
            await Task.Delay(100, deadline.Token);
        }
    }

    /// <summary>Waits until the destination keeps a fragment, which it makes on its own time.</summary>
    public async Task<DiskFragment> WaitForFragmentAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        while (true)
        {
            IReadOnlyList<DiskFragment> fragments = await Destination.Disks.ListDiskFragmentsAsync(cancellationToken);
            if (fragments.Count > 0) return Assert.Single(fragments);
            await Task.Delay(50, deadline.Token);
        }
    }

    /// <summary>
    /// Waits for so many more rounds of writing. The state is not looked at: at the end of a merge the VM stands still for some milliseconds.
    /// </summary>
    public static async Task WaitForTicksAsync(IMigrationHost host, Guid vmId, int count, CancellationToken cancellationToken)
    {
        VmDescription vm = await host.GetVmAsync(vmId, cancellationToken);
        int said = 0;
        for (int tick = 0; tick <= count; tick++)
        {
            said = await QemuHostPair.WaitForConsoleAsync(vm, "tick", said, limit, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LocalHost host in new[] { Source, Destination })
        {
            foreach (VmDescription vm in await host.ListVmsAsync(CancellationToken.None))
            {
                if (vm.State != VmState.Stopped) await host.StopVmAsync(vm.Specification.Id, force: true, CancellationToken.None);
            }

            await host.DisposeAsync();
        }

        Assert.Empty(QemuLauncher.FindProcesses(root.FullName));
        root.Delete(recursive: true);
        Directory.Delete(ramDirectory, recursive: true);
    }

    private Task<LocalHost> OpenAsync(string name, string directory, CancellationToken cancellationToken) => LocalHost.OpenAsync(
        new() { Name = name, StateDirectory = Path.Combine(root.FullName, directory), RamDirectory = ramDirectory }, cancellationToken);
}
