using System.Diagnostics;

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

    /// <summary>Whether a build of QEMU can filter its own system calls; some are made without libseccomp.</summary>
    public static async Task<bool> HasSandboxAsync(string program)
    {
        var info = new ProcessStartInfo(program, ["-sandbox", "on", "-version"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        using var process = Process.Start(info)
            ?? throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, $"{program} cannot be run.", InstallAction);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadToEndAsync().ConfigureAwait(false);
        await errors.ConfigureAwait(false);
        await process.WaitForExitAsync().ConfigureAwait(false);
        return process.ExitCode == 0;
    }
}
