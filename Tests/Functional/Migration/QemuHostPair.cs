using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>Two hosts on this machine with directories of their own, and a Linux guest that ticks on its serial console.</summary>
internal sealed class QemuHostPair : IAsyncDisposable
{
    private const long MiB = 1 << 20;

    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo root;

    private QemuHostPair(DirectoryInfo root, LocalHost source, LocalHost destination)
    {
        this.root = root;
        Source = source;
        Destination = destination;
    }

    public LocalHost Source { get; }

    public LocalHost Destination { get; }

    /// <summary>Where the destination's QEMUs keep their RAM files.</summary>
    public string DestinationRamDirectory { get; private init; } = "";

    public string SourceStateDirectory => Path.Combine(root.FullName, "a");

    public string DestinationStateDirectory => Path.Combine(root.FullName, "b");

    /// <summary>Opens both hosts.</summary>
    /// <param name="cancellationToken">Cancels the opening.</param>
    /// <param name="destinationRamDirectory">Where the destination's RAM files go; null makes a directory.</param>
    /// <param name="destinationFeatures">What the destination takes its kernel to give; null has it tried.</param>
    /// <param name="sourceFeatures">What the source takes its kernel to give; null has it tried.</param>
    /// <param name="security">What both demand of the connections between them; null for what a host demands by itself.</param>
    public static async Task<QemuHostPair> OpenAsync(
        CancellationToken cancellationToken, string? destinationRamDirectory = null, KernelFeatures? destinationFeatures = null,
        KernelFeatures? sourceFeatures = null, LinkSecurity? security = null)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-");
        string sourceRam = Directory.CreateDirectory($"/dev/shm/{root.Name}-a").FullName;
        string destinationRam = destinationRamDirectory ?? Directory.CreateDirectory($"/dev/shm/{root.Name}-b").FullName;
        LocalHost source = await OpenHostAsync(
            "source", Path.Combine(root.FullName, "a"), sourceRam, sourceFeatures, security, cancellationToken);
        LocalHost destination = await OpenHostAsync(
            "destination", Path.Combine(root.FullName, "b"), destinationRam, destinationFeatures, security, cancellationToken);
        return new(root, source, destination) { DestinationRamDirectory = destinationRam };
    }

    private static async Task<LocalHost> OpenHostAsync(
        string name, string stateDirectory, string ramDirectory, KernelFeatures? features, LinkSecurity? security,
        CancellationToken cancellationToken)
    {
        LocalHostOptions options = new() { Name = name, StateDirectory = stateDirectory, RamDirectory = ramDirectory, LinkSecurity = security };
        return features is null
            ? await LocalHost.OpenAsync(options, cancellationToken)
            : new(await LocalHostParts.OpenAsync(
                options, (_, directory) => new HypervisorSet([new QemuHypervisor(
                    new() { StateDirectory = directory.Path, RamDirectory = ramDirectory, Features = features })]),
                parts => new LocalHostMigrations(parts), cancellationToken));
    }

    /// <summary>Boots a guest of 256 MiB that has filled 96 MiB and goes on rewriting 16 of them.</summary>
    public async Task<VmDescription> BootAsync(CancellationToken cancellationToken, MemoryBacking backing = MemoryBacking.BasePages)
    {
        QemuGuest guest = await new QemuDemoGuest { FillBytes = 96 * MiB, RewriteBytes = 16 * MiB }
            .BuildAsync(Path.Combine(root.FullName, "guest"), cancellationToken);
        var specification = new VmSpecification { Name = "linux01", MemoryBytes = 256 * MiB, Backing = backing, Qemu = guest };
        await Source.CreateVmAsync(specification, cancellationToken);
        VmDescription vm = await Source.StartVmAsync(specification.Id, cancellationToken);
        await WaitForConsoleAsync(vm, "FILLED", 0, bootLimit, cancellationToken);
        return vm;
    }

    /// <summary>Waits until the VM's serial console says this after so many characters; returns the length of what it has said.</summary>
    public static async Task<int> WaitForConsoleAsync(
        VmDescription vm, string text, int after, TimeSpan limit, CancellationToken cancellationToken)
    {
        string path = vm.Instance!.SerialLogPath!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        while (true)
        {
            string said = File.Exists(path) ? await File.ReadAllTextAsync(path, cancellationToken) : "";
            int found = said.Length > after ? said.IndexOf(text, after, StringComparison.Ordinal) : -1;
            if (found >= 0) return said.Length;
            if (deadline.IsCancellationRequested) Assert.Fail($"The console did not say '{text}' in {limit}; it said: {said}");
            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>Waits for one more tick of the guest's clock.</summary>
    public static async Task AssertTicksAsync(IMigrationHost host, Guid vmId, CancellationToken cancellationToken)
    {
        VmDescription vm = await host.GetVmAsync(vmId, cancellationToken);
        Assert.Equal(VmState.Running, vm.State);
        int length = await WaitForConsoleAsync(vm, "tick", 0, TimeSpan.FromSeconds(30), cancellationToken);
        await WaitForConsoleAsync(vm, "tick", length, TimeSpan.FromSeconds(30), cancellationToken);
    }

    /// <summary>Migrates without the preflight check, over another endpoint where one is given.</summary>
    public async Task<MigrationStatus> StartAsync(
        VmDescription vm, MigrationOptions options, StateContents contents, Func<IncomingOffer, IncomingOffer>? route,
        CancellationToken cancellationToken)
    {
        var request = new IncomingRequest(Guid.NewGuid(), vm.Specification, contents, options, Source.Name);
        IncomingOffer offer = await Destination.PrepareIncomingAsync(request, cancellationToken);
        return await Source.StartMigrationAsync(
            new(vm.Specification.Id, route is null ? offer : route(offer), contents, options), cancellationToken);
    }

    /// <summary>Waits for the end of a migration.</summary>
    public async Task<MigrationStatus> WaitAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        MigrationStatus? last = null;
        await foreach (MigrationStatus status in Source.WatchMigrationAsync(migrationId, cancellationToken)) last = status;
        return last!;
    }

    /// <summary>Asserts that nothing of a VM is left on the destination: no process, no file, no entry.</summary>
    public async Task AssertDestinationIsCleanAsync(CancellationToken cancellationToken)
    {
        // The destination settles on its own time after the source has rolled back.
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while ((await Destination.ListVmsAsync(cancellationToken)).Count > 0 && !deadline.IsCancellationRequested)
        {
            await Task.Delay(20, cancellationToken);
        }

        Assert.Empty(await Destination.ListVmsAsync(cancellationToken));
        Assert.Empty(QemuLauncher.FindProcesses(DestinationStateDirectory));
        Assert.Empty(Directory.EnumerateFileSystemEntries(DestinationRamDirectory));
        string vms = Path.Combine(DestinationStateDirectory, "vms");
        if (Directory.Exists(vms)) Assert.Empty(Directory.EnumerateFileSystemEntries(vms));
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
        foreach (string ram in new[] { $"/dev/shm/{root.Name}-a", $"/dev/shm/{root.Name}-b" })
        {
            if (Directory.Exists(ram)) Directory.Delete(ram, recursive: true);
        }
    }
}
