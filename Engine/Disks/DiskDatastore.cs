namespace VmMigration.Engine.Disks;

/// <summary>The directory that holds a host's disks.</summary>
/// <param name="directory">Absolute path.</param>
internal sealed class DiskDatastore(string directory)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Absolute path.</summary>
    public string Directory => directory;

    /// <summary>Makes the directory where it is missing.</summary>
    /// <exception cref="MigrationException">Where it cannot be made.</exception>
    public void Open() => Make(directory);

    /// <summary>The absolute path of a disk of this host.</summary>
    /// <param name="path">Absolute, or relative to the datastore, which it must not leave.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> for a path that names no file in it.</exception>
    public string Resolve(string path)
    {
        if (string.IsNullOrWhiteSpace(path) || path.Contains('\0', StringComparison.Ordinal) || Path.EndsInDirectorySeparator(path))
        {
            throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{path}' names no file.", "Name a file.");
        }

        if (Path.IsPathFullyQualified(path)) return Path.GetFullPath(path);
        string full = Path.GetFullPath(Path.Combine(directory, path));
        return IsInside(full) ? full : throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"'{path}' leads out of the datastore '{directory}'.",
            "Name a path inside the datastore, or an absolute one.");
    }

    /// <summary>Makes the directory a disk is to lie in, where it is missing and inside the datastore.</summary>
    /// <param name="path">Absolute path of the disk.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where it is missing elsewhere: a file system may not be mounted.
    /// </exception>
    public void MakeDirectoryFor(string path)
    {
        string parent = Path.GetDirectoryName(path)!;
        if (System.IO.Directory.Exists(parent)) return;
        if (!IsInside(path))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"The directory '{parent}' does not exist.", "Make it, or mount its file system, first.");
        }

        Make(parent);
    }

    private bool IsInside(string path) =>
        path.StartsWith(Path.EndsInDirectorySeparator(directory) ? directory : directory + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static void Make(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows()) System.IO.Directory.CreateDirectory(path);
            else System.IO.Directory.CreateDirectory(path, OwnerOnly);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"The directory '{path}' cannot be made: {e.Message}",
                "Name a datastore that this user may write.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"The directory '{path}' cannot be made: {e.Message}",
                "Name a datastore on a local, writable file system.", e);
        }
    }
}
