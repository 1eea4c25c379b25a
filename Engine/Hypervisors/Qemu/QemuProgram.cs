namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Finds the system emulator.</summary>
internal static class QemuProgram
{
    /// <summary>Name of the program on the path.</summary>
    public const string Name = "qemu-system-x86_64";

    /// <summary>How to install it.</summary>
    public const string InstallAction =
        "Install it: 'apt-get install qemu-system-x86' on Debian and Ubuntu, 'dnf install qemu-system-x86' on Fedora.";

    // Where Red Hat Enterprise Linux keeps it, off the path.
    private const string EnterpriseLinuxPath = "/usr/libexec/qemu-kvm";

    /// <summary>Path of the program; null where it is not installed.</summary>
    public static string? Find()
    {
        string path = Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin";
        return path.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(directory => Path.Combine(directory, Name))
            .Append(EnterpriseLinuxPath)
            .FirstOrDefault(File.Exists);
    }
}
