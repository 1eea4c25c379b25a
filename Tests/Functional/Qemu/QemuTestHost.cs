using System.Globalization;
using System.Security.Cryptography;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>
/// A QEMU hypervisor with a state directory of its own. Its end checks that no process and no file is left; the first one of a
/// process removes what a test process that was killed left behind.
/// </summary>
internal sealed class QemuTestHost : IAsyncDisposable
{
    private const string NamePrefix = "vmm-qemu-";

    // Once per test process: its classes run side by side.
    private static readonly Lazy<Task> swept = new(SweepAsync);

    private readonly List<IVirtualMachine> machines = [];

    private QemuTestHost(string stateDirectory, KernelFeatures? features)
    {
        StateDirectory = stateDirectory;
        Hypervisor = new(new QemuHypervisorOptions { StateDirectory = stateDirectory, Features = features });
    }

    public string StateDirectory { get; }

    public QemuHypervisor Hypervisor { get; }

    public static async Task<QemuTestHost> CreateAsync(KernelFeatures? features = null)
    {
        await swept.Value;
        return new(Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), ChooseName())).FullName, features);
    }

    /// <summary>Path of a RAM file for a QEMU that the engine does not start.</summary>
    public static string ChooseForeignRamFile() => Path.Combine("/dev/shm", ChooseName());

    /// <summary>A VM the host destroys at its end, whatever becomes of the test.</summary>
    public async Task<T> TrackAsync<T>(Task<T> making)
        where T : IVirtualMachine
    {
        T machine = await making;
        machines.Add(machine);
        return machine;
    }

    /// <summary>Lets go of a VM without ending it, as an engine does that is stopped.</summary>
    public async Task DetachAsync(IVirtualMachine machine)
    {
        machines.Remove(machine);
        await machine.DisposeAsync();
    }

    private static async Task SweepAsync()
    {
        foreach (string leftover in Directory.GetDirectories(Path.GetTempPath(), NamePrefix + "*").Where(IsOfDeadProcess))
        {
            await EndProcessesAsync(leftover);
            var hypervisor = new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = leftover });
            await hypervisor.RemoveLeftoversAsync([], CancellationToken.None);
            Directory.Delete(leftover, recursive: true);
        }

        foreach (string leftover in Directory.GetFiles("/dev/shm", NamePrefix + "*").Where(IsOfDeadProcess)) File.Delete(leftover);
    }

    private static string ChooseName() => string.Create(
        CultureInfo.InvariantCulture, $"{NamePrefix}{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}");

    private static bool IsOfDeadProcess(string path) =>
        !Directory.Exists(Path.Combine("/proc", Path.GetFileName(path)[NamePrefix.Length..].Split('-')[0]));

    private static async Task EndProcessesAsync(string directory)
    {
        foreach (int processId in QemuLauncher.FindProcesses(directory))
        {
            using PidFd process = PidFd.Open(processId);
            await QemuInstanceFiles.KillAsync(process);
        }
    }

    public async ValueTask DisposeAsync()
    {
        List<Exception> failures = [];
        foreach (IVirtualMachine machine in machines)
        {
            try
            {
                await machine.DestroyAsync();
            }
            catch (Exception exception)
            {
                // The others must go all the same.
                failures.Add(exception);
            }
        }

        string vms = Path.Combine(StateDirectory, "vms");
        string[] left = Directory.Exists(vms) ? Directory.GetFileSystemEntries(vms) : [];
        int[] processes = [.. QemuLauncher.FindProcesses(StateDirectory)];
        await EndProcessesAsync(StateDirectory);
        await Hypervisor.RemoveLeftoversAsync([], CancellationToken.None);
        Directory.Delete(StateDirectory, recursive: true);
        Assert.Empty(failures);
        Assert.Empty(left);
        Assert.Empty(processes);
    }
}
