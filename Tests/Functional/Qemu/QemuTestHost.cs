using System.Globalization;
using System.Security.Cryptography;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>
/// A QEMU hypervisor with a state directory of its own. Its end checks that no process and no file is left; its start removes what a test
/// process that was killed left behind.
/// </summary>
internal sealed class QemuTestHost : IAsyncDisposable
{
    private const string DirectoryPrefix = "vmm-qemu-";
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
        string parent = Path.GetTempPath();
        foreach (string leftover in Directory.GetDirectories(parent, DirectoryPrefix + "*"))
        {
            string owner = Path.GetFileName(leftover)[DirectoryPrefix.Length..].Split('-')[0];
            if (Directory.Exists($"/proc/{owner}")) continue;
            await EndProcessesAsync(leftover);
            await new QemuHypervisor(new QemuHypervisorOptions { StateDirectory = leftover }).RemoveLeftoversAsync([], CancellationToken.None);
            Directory.Delete(leftover, recursive: true);
        }

        string name = string.Create(
            CultureInfo.InvariantCulture, $"{DirectoryPrefix}{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}");
        return new(Directory.CreateDirectory(Path.Combine(parent, name)).FullName, features);
    }

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
