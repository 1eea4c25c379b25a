using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>The files of incomplete disks on this machine.</summary>
internal sealed class FragmentFiles : IFragmentFiles
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <inheritdoc/>
    public FragmentFileStatus? Find(string path)
    {
        var file = new FileInfo(path);
        bool isLink = file.LinkTarget is not null;
        if (OperatingSystem.IsLinux())
        {
            if (FileStatus.TryRead(path) is { } status)
            {
                return new(status.SizeBytes, status.AllocatedBytes, status.ModifiedNanoseconds, status.IsRegular && !isLink);
            }

            return isLink ? new(0, 0, 0, IsRegular: false) : null;
        }

        if (Directory.Exists(path)) return new(0, 0, 0, IsRegular: false);
        return file.Exists
            ? new(file.Length, file.Length, (file.LastWriteTimeUtc - DateTime.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick, !isLink) : null;
    }

    /// <inheritdoc/>
    public bool IsSameDirectory(string directory, string other)
    {
        if (string.Equals(directory, other, StringComparison.Ordinal)) return true;
        return OperatingSystem.IsLinux() && FileStatus.TryRead(directory) is { } one && FileStatus.TryRead(other) is { } two
            && (one.DeviceId, one.Inode) == (two.DeviceId, two.Inode);
    }

    /// <inheritdoc/>
    public bool SharesMount(string directory, string other)
    {
        if (!OperatingSystem.IsLinux())
        {
            return string.Equals(Path.GetPathRoot(directory), Path.GetPathRoot(other), StringComparison.OrdinalIgnoreCase);
        }

        return FileStatus.TryRead(directory) is { } one && FileStatus.TryRead(other) is { } two && one.SharesMountWith(two);
    }

    /// <inheritdoc/>
    public long CountAvailableBytes(string directory) => Try("ask for the space of", directory, () =>
        new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(directory)! : directory).AvailableFreeSpace);

    /// <inheritdoc/>
    public Stream OpenRead(string path) => Try("open", path, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));

    /// <inheritdoc/>
    public void MakeDirectory(string path) => Try("make", path, () =>
        OperatingSystem.IsWindows() ? Directory.CreateDirectory(path) : Directory.CreateDirectory(path, OwnerOnly));

    /// <inheritdoc/>
    public void RemoveDirectoryIfEmpty(string path) => Try("remove", path, () =>
    {
        bool empty = Directory.Exists(path) && !Directory.EnumerateFileSystemEntries(path).Any();
        if (empty) Directory.Delete(path);
        return empty;
    });

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string directory) =>
        Try("list", directory, () => Directory.Exists(directory) ? Directory.GetFiles(directory) : []);

    /// <inheritdoc/>
    public bool TryMove(string from, string to, bool replace)
    {
        if (!OperatingSystem.IsLinux())
        {
            return Try("move", from, () =>
            {
                if (!replace && File.Exists(to)) return false;
                File.Move(from, to, replace);
                return true;
            });
        }

        if (!replace) return FileRename.TryMove(from, to);
        FileRename.Replace(from, to);
        return true;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Without a model it may be read and written by its owner, the account that this host's QEMU runs as, and by the group of a directory
    /// that hands its group down (set-group-ID, inode(7)).
    /// </remarks>
    public void GrantAccess(string path, string destinationPath, bool replaces)
    {
        if (!OperatingSystem.IsLinux()) return;
        UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (replaces && FileStatus.TryRead(destinationPath) is { } model)
        {
            GiveTo(path, model);
            mode = model.Permissions;
        }
        else if (FileStatus.TryRead(Path.GetDirectoryName(destinationPath)!)?.Permissions.HasFlag(UnixFileMode.SetGroup) == true)
        {
            mode |= UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        }

        Try("set the permissions of", path, () =>
        {
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
            return true;
        });
        Sync(path);
    }

    /// <inheritdoc/>
    public void Delete(string path) => Try("remove", path, () =>
    {
        File.Delete(path);
        return true;
    });

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
        if (OperatingSystem.IsLinux() && Directory.Exists(path)) Sync(path);
    }

    private static void GiveTo(string path, FileStatus model)
    {
        FileStatus present = FileStatus.TryRead(path) ?? throw Missing(path);
        if ((present.OwnerId, present.GroupId) == (model.OwnerId, model.GroupId)) return;
        try
        {
            FileOwner.Set(path, model.OwnerId, model.GroupId);
        }
        catch (SystemCallException error) when (error.ErrorNumber == Errno.EPERM)
        {
            // Only a privileged host may give files away (chown(2)); the account that replaces the file keeps it then.
        }
    }

    private static void Sync(string path) => Try("sync", path, () =>
    {
        using SafeFileHandle file = OpenFile.ForReading(path);
        RandomAccess.FlushToDisk(file);
        return true;
    });

    private static T Try<T>(string operation, string path, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (UnauthorizedAccessException error)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"'{path}' could not be used ({operation}): {error.Message}",
                "Give the account of this host the right to it.", error);
        }
        catch (FileNotFoundException error)
        {
            throw Missing(path, error);
        }
        catch (IOException error)
        {
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, $"'{path}' could not be used ({operation}): {error.Message}",
                "See whether its file system is healthy.", error);
        }
    }

    private static MigrationException Missing(string path, Exception? cause = null) => new(
        MigrationErrorReason.SystemCallFailed, $"'{path}' is gone: somebody removed it.", "Start the transfer again.", cause);
}
