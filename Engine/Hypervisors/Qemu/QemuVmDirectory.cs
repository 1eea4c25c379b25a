using System.Security.Cryptography;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// What one VM has in the file system: its own directory with everything the engine made for it, or, for a QEMU that something else
/// started, a directory for the engine's sockets that is made when one is needed.
/// </summary>
internal sealed class QemuVmDirectory
{
    private readonly QemuInstancePaths? own;
    private readonly VmInstance instance;
    private readonly string vmsDirectory;
    private readonly Action? deleted;
    private string? scratch;

    /// <param name="instance">What identifies the VM.</param>
    /// <param name="vmsDirectory">Where scratch directories are made.</param>
    /// <param name="deleted">Called once the VM's files are gone; null where nothing waits for that.</param>
    public QemuVmDirectory(VmInstance instance, string vmsDirectory, Action? deleted = null)
    {
        this.instance = instance;
        this.vmsDirectory = vmsDirectory;
        this.deleted = deleted;
        own = QemuInstancePaths.Find(instance);
    }

    /// <summary>Where the process waits for its state; null where it was not started by the engine.</summary>
    public string? IncomingSocket => own?.IncomingSocket;

    /// <summary>What QEMU reports; null where it goes somewhere else.</summary>
    public string? QemuLog => own?.QemuLog;

    /// <summary>Chooses a path for a socket, in a directory that nobody else can enter.</summary>
    public string ChooseOutgoingSocket()
    {
        string directory = own?.Directory ?? MakeScratch();
        return Path.Combine(directory, $"out-{RandomNumberGenerator.GetHexString(6, lowercase: true)}.sock");
    }

    /// <summary>Removes what only the engine needs; the VM stays.</summary>
    public void Detach()
    {
        if (scratch is null) return;
        Directory.Delete(scratch, recursive: true);
        scratch = null;
    }

    /// <summary>Removes everything; the process has ended.</summary>
    public void Delete()
    {
        Detach();
        if (own is not null)
        {
            QemuInstanceFiles.Delete(own);
            deleted?.Invoke();
            return;
        }

        // What its starter named for this process alone: neither is of use to another. Its starter may have been quicker.
        if (File.Exists(instance.QmpSocketPath)) File.Delete(instance.QmpSocketPath);
        if (File.Exists(instance.RamFilePath)) File.Delete(instance.RamFilePath);
    }

    private string MakeScratch()
    {
        if (scratch is not null) return scratch;
        if (OperatingSystem.IsWindows()) throw new PlatformNotSupportedException("QEMU guests need Linux.");
        scratch = Path.Combine(vmsDirectory, $"adopted-{RandomNumberGenerator.GetHexString(6, lowercase: true)}");
        Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return scratch;
    }
}
