namespace VmMigration.Engine.Hosts;

/// <summary>
/// The directory in which a host keeps its state, held by a lock file so that no second host works on it. The kernel drops the lock with the
/// process (flock(2)), so a crash leaves nothing to clean up.
/// </summary>
internal sealed class HostDirectory : IDisposable
{
    private const string LockFileName = "host.lock";

    // What HResult holds when the lock is taken: errno of flock(2), or Windows' ERROR_SHARING_VIOLATION.
    private const int EwouldblockLinux = 11;
    private const int EwouldblockMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream lockFile;

    private HostDirectory(string path, bool isTemporary, FileStream lockFile)
    {
        Path = path;
        IsTemporary = isTemporary;
        this.lockFile = lockFile;
    }

    /// <summary>Full path.</summary>
    public string Path { get; }

    /// <summary>Whether the host made the directory for itself and takes it along when it is closed.</summary>
    public bool IsTemporary { get; }

    /// <summary>Makes the directory where it is missing, and locks it.</summary>
    /// <param name="path">Directory to use; null makes one under the system's temporary directory.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where another host has it, <see cref="MigrationErrorReason.AccessDenied"/> and
    /// <see cref="MigrationErrorReason.SystemCallFailed"/> where it cannot be made.
    /// </exception>
    public static HostDirectory Open(string? path)
    {
        try
        {
            // Only its owner may enter: the directory holds sockets that control VMs.
            string directory = path is null ? Directory.CreateTempSubdirectory("vmmigration-").FullName : MakeDirectory(path);
            return new(directory, isTemporary: path is null, Lock(directory));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"The state directory '{path}' cannot be used: {e.Message}",
                "Name a state directory that this user may write.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"The state directory '{path}' cannot be made: {e.Message}",
                "Name a state directory on a local, writable file system.", e);
        }
    }

    /// <summary>Unlocks the directory, and deletes it where it is temporary.</summary>
    public void Dispose()
    {
        lockFile.Dispose();
        if (IsTemporary) Directory.Delete(Path, recursive: true);
    }

    private static string MakeDirectory(string path)
    {
        string directory = System.IO.Path.GetFullPath(path);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
        else Directory.CreateDirectory(directory, OwnerOnly);
        return directory;
    }

    private static FileStream Lock(string directory)
    {
        string path = System.IO.Path.Combine(directory, LockFileName);
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is EwouldblockLinux or EwouldblockMac or SharingViolation)
        {
            throw new MigrationException(MigrationErrorReason.InvalidState,
                $"The state directory '{directory}' is in use by another host ('{path}' is locked).",
                "Close the host that has it (fuser or lslocks name its process), or name another state directory.", e);
        }
    }
}
