using System.Diagnostics;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Performance;

/// <summary>
/// A QEMU started here, outside any engine, with a Linux guest that has filled its memory and goes on rewriting a part of it. Whatever
/// moves it, the guest and its command line are the same.
/// </summary>
internal sealed class MeasuredGuest : IAsyncDisposable
{
    private static readonly TimeSpan bootLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan settling = TimeSpan.FromSeconds(3);

    private readonly DirectoryInfo root;

    private MeasuredGuest(DirectoryInfo root, VmSpecification specification)
    {
        this.root = root;
        Specification = specification;
        Paths = NewPaths("source");
    }

    public VmSpecification Specification { get; }

    public QemuInstancePaths Paths { get; }

    /// <summary>Where the hosts of a measurement keep their state.</summary>
    public string Directory => root.FullName;

    public static async Task<MeasuredGuest> BootAsync(int memoryMiB, int fillMiB, int rewriteMiB, CancellationToken cancellationToken)
    {
        DirectoryInfo root = System.IO.Directory.CreateTempSubdirectory("vmm-perf-");
        QemuGuest qemu = await new QemuDemoGuest { FillBytes = (long)fillMiB << 20, RewriteBytes = (long)rewriteMiB << 20 }
            .BuildAsync(Path.Combine(root.FullName, "guest"), cancellationToken);
        var guest = new MeasuredGuest(
            root, new() { Name = "measured", MemoryBytes = (long)memoryMiB << 20, VcpuCount = 2, Qemu = qemu });
        try
        {
            await guest.LaunchAsync(guest.Paths, incoming: false, cancellationToken);
            await guest.WaitUntilFilledAsync(cancellationToken);
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>A place for a QEMU of this guest.</summary>
    public QemuInstancePaths NewPaths(string name) =>
        QemuInstancePaths.ForNew(Path.Combine(root.FullName, name), "/dev/shm", Specification.Id);

    /// <summary>Starts a QEMU of this guest.</summary>
    public async Task LaunchAsync(QemuInstancePaths paths, bool incoming, CancellationToken cancellationToken)
    {
        System.IO.Directory.CreateDirectory(paths.Directory);
        using (FileStream ram = File.Create(paths.RamFile)) ram.SetLength(Specification.MemoryBytes);
        IEnumerable<string> arguments = QemuCommandLine.Build(Specification, paths, QemuAccelerator.Tcg, incoming, sandbox: false);

        // -S would keep an incoming guest paused at the end; QEMU's own migration is to resume it by itself.
        if (incoming) arguments = arguments.Where(argument => argument != "-S");
        await QemuLauncher.StartAsync(
            QemuProgram.Find() ?? throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, "QEMU is not installed."),
            [.. arguments], paths, cancellationToken);
    }

    /// <summary>Ends every QEMU of this guest and removes its files.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (int processId in QemuLauncher.FindProcesses(root.FullName))
        {
            using Process process = Process.GetProcessById(processId);
            process.Kill();
            await process.WaitForExitAsync();
        }

        foreach (string ram in System.IO.Directory.EnumerateFiles("/dev/shm", $"*{Specification.Id}*")) File.Delete(ram);
        root.Delete(recursive: true);
    }

    private async Task WaitUntilFilledAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(bootLimit);
        while (!File.Exists(Paths.SerialLog)
            || !(await File.ReadAllTextAsync(Paths.SerialLog, limit.Token)).Contains("FILLED", StringComparison.Ordinal))
        {
            await Task.Delay(100, limit.Token);
        }

        // The rewriting loop reaches its steady state after its first rounds.
        await Task.Delay(settling, cancellationToken);
    }
}
