using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Makes and removes what one QEMU process has on the machine.</summary>
internal static class QemuInstanceFiles
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // Unmapping and freeing takes about 0.1 s a GiB; what is still there then waits for a device.
    private static readonly TimeSpan KillTimeLimit = TimeSpan.FromSeconds(30);

    /// <summary>Makes the directory and the RAM file, which nobody else may enter or read.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.OutOfSpace"/> where the memory file system has less free than the guest's RAM;
    /// <see cref="MigrationErrorReason.AccessDenied"/>; <see cref="MigrationErrorReason.InvalidArgument"/> where a directory is missing.
    /// </exception>
    public static void Create(QemuInstancePaths paths, long memoryBytes)
    {
        if (OperatingSystem.IsWindows()) throw new PlatformNotSupportedException("QEMU guests need Linux.");
        try
        {
            CheckFreeSpace(paths.RamFile, memoryBytes);
            Directory.CreateDirectory(paths.Directory, OwnerOnly | UnixFileMode.UserExecute);

            // The link first: a RAM file that nothing points to would stay for ever if the engine were killed here.
            File.CreateSymbolicLink(paths.RamLink, paths.RamFile);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly };
            using var ram = new FileStream(paths.RamFile, options);
            ram.SetLength(memoryBytes);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"The VM's files cannot be made: {exception.Message}",
                "Run as an account that may write the state directory and the RAM directory, or choose others.", exception);
        }
        catch (IOException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace, $"The VM's files cannot be made: {exception.Message}",
                $"Look at the free space and the mount options of {paths.Directory} and {Path.GetDirectoryName(paths.RamFile)}.",
                exception);
        }
    }

    /// <summary>Ends every QEMU that was started with files of the directory, then removes the files, as far as there are any.</summary>
    public static async Task RemoveAsync(QemuInstancePaths paths)
    {
        foreach (int processId in QemuLauncher.FindProcesses(paths.Directory))
        {
            if (TryOpen(processId) is not { } process) continue;
            using (process) await KillAsync(process).ConfigureAwait(false);
        }

        Delete(paths);
    }

    /// <summary>Removes the files of a process that has ended.</summary>
    public static void Delete(QemuInstancePaths paths)
    {
        if (File.Exists(paths.RamFile)) File.Delete(paths.RamFile);
        if (Directory.Exists(paths.Directory)) Directory.Delete(paths.Directory, recursive: true);
    }

    /// <summary>Kills a process and waits until the kernel has taken it down.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.TimedOut"/> where it does not end.</exception>
    public static async Task KillAsync(PidFd process)
    {
        process.SendSignal(PidFd.SignalKill);
        try
        {
            await process.Exited.WaitAsync(KillTimeLimit).ConfigureAwait(false);
        }
        catch (TimeoutException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut,
                $"QEMU (process {process.ProcessId}) did not end in {KillTimeLimit.TotalSeconds:0} s after SIGKILL.",
                "It waits for a device in the kernel (state D): look at the storage of its disks.", exception);
        }
    }

    private static PidFd? TryOpen(int processId)
    {
        try
        {
            return PidFd.Open(processId);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            return null;
        }
    }

    private static void CheckFreeSpace(string ramFile, long memoryBytes)
    {
        string directory = Path.GetDirectoryName(ramFile)!;
        if (!Directory.Exists(directory))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"There is no directory {directory} for guest RAM.",
                "Name a directory of a memory file system, for example /dev/shm.");
        }

        // A hugetlbfs without a limit of its own says 0 of 0: its pages are those of the machine's pool.
        var drive = new DriveInfo(directory);
        long free = drive.AvailableFreeSpace;
        if (free >= memoryBytes || drive.TotalSize == 0) return;
        throw new MigrationException(
            MigrationErrorReason.OutOfSpace, $"{directory} has {free >> 20} MiB free; the guest's RAM takes {memoryBytes >> 20} MiB.",
            "Stop other VMs, mount a larger memory file system, or give the VM less memory.");
    }
}
