using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Starts QEMU as a daemon, so that it outlives the engine and is no child of it.</summary>
internal static class QemuLauncher
{
    // QEMU is a daemon after some 60 ms; a minute is for a machine that swaps or reads a cold disk.
    private static readonly TimeSpan StartTimeLimit = TimeSpan.FromMinutes(1);

    /// <summary>Runs QEMU until it is a daemon whose QMP socket listens.</summary>
    /// <returns>Its process id.</returns>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.HypervisorFailed"/> with QEMU's own words where it did not start;
    /// <see cref="MigrationErrorReason.PrerequisiteMissing"/> where the program is missing; <see cref="MigrationErrorReason.TimedOut"/>.
    /// </exception>
    public static async Task<int> StartAsync(
        string program, IReadOnlyList<string> arguments, QemuInstancePaths paths, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var process = new Process { StartInfo = StartInfo(program, arguments) };
        try
        {
            process.Start();
        }
        catch (Win32Exception exception)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"{process.StartInfo.FileName} cannot be run: {exception.Message}",
                process.StartInfo.FileName == program ? QemuProgram.InstallAction : "Install util-linux.", exception);
        }

        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);

        // Cancelling in the middle could leave the half-made daemon behind, so a start that is under way is waited for.
        using var timeLimit = new CancellationTokenSource(StartTimeLimit);
        try
        {
            await process.WaitForExitAsync(timeLimit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception)
        {
            process.Kill(entireProcessTree: true);
            throw new MigrationException(
                MigrationErrorReason.TimedOut,
                $"QEMU did not start in {StartTimeLimit.TotalSeconds:0} s: {QemuLog.ReadTail(paths.QemuLog)}",
                "Look at the load of the machine and at the storage of kernel and disks.", exception);
        }

        if (process.ExitCode != 0)
        {
            string words = QemuLog.Shorten(
                await output.ConfigureAwait(false) + '\n' + await errors.ConfigureAwait(false) + '\n' + QemuLog.ReadTail(paths.QemuLog));
            throw new MigrationException(
                MigrationErrorReason.HypervisorFailed,
                $"QEMU did not start (exit code {process.ExitCode}): {(words.Length > 0 ? words : "it gave no reason")}");
        }

        string text = await File.ReadAllTextAsync(paths.ProcessIdFile, CancellationToken.None).ConfigureAwait(false);
        return int.Parse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Process ids of the QEMUs that were started with files of this directory, zombies excluded: also one whose start broke off before
    /// it had written its process id (proc_pid_cmdline(5)).
    /// </summary>
    public static IReadOnlyList<int> FindProcesses(string instanceDirectory)
    {
        byte[] needle = Encoding.UTF8.GetBytes(instanceDirectory + Path.DirectorySeparatorChar);
        List<int> found = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int processId)) continue;
            if (processId == Environment.ProcessId) continue;
            ReadOnlySpan<byte> commandLine = ReadCommandLine(processId);

            // The directory must come with the option that only the engine's own QEMUs have there.
            if (commandLine.IndexOf("-pidfile\0"u8) is var option and >= 0
                && commandLine[(option + "-pidfile\0"u8.Length)..].StartsWith(needle))
            {
                found.Add(processId);
            }
        }

        return found;
    }

    /// <summary>A process's program and arguments, each ended by a zero byte; empty where it is gone or a zombie.</summary>
    public static byte[] ReadCommandLine(int processId)
    {
        try
        {
            return File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/cmdline"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // ENOENT or ESRCH: it ended while it was looked at. EACCES: with hidepid (proc(5)) another user's process shows nothing.
            return [];
        }
    }

    private static ProcessStartInfo StartInfo(string program, IReadOnlyList<string> arguments)
    {
        string[] commandLine = [.. LimitCapabilities(ProcessCapabilities.ReadAmbient()), program, .. arguments];
        var info = new ProcessStartInfo(commandLine[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = "/",
        };
        foreach (string argument in commandLine.AsSpan(1)) info.ArgumentList.Add(argument);
        return info;
    }

    /// <summary>
    /// What the engine's account was given besides (systemd's AmbientCapabilities) is not for guests to reach through their QEMU. Only
    /// CAP_SYS_PTRACE stays: the kernel asks for it where a userfaultfd is made, which is inside QEMU (userfaultfd(2)).
    /// </summary>
    private static string[] LimitCapabilities(ulong ambient)
    {
        if (ambient == 0) return [];
        string kept = (ambient >> ProcessCapabilities.SysPtrace & 1) != 0 ? "-all,+sys_ptrace" : "-all";
        return ["setpriv", "--inh-caps", kept, "--ambient-caps", kept];
    }
}
