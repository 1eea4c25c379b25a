using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>Moves a file within its file system (renameat2(2)): whoever looks finds it under the old name or the new one, never both.</summary>
internal static partial class FileRename
{
    private const int AtWorkingDirectory = -100;
    private const uint NoReplace = 1;

    /// <summary>Moves a file; one that has the new name is replaced.</summary>
    /// <exception cref="MigrationException">Where it fails, also where the two names are on different file systems.</exception>
    public static void Replace(string from, string to)
    {
        if (Rename(AtWorkingDirectory, from, AtWorkingDirectory, to, 0) != 0) throw Errno.LastFailure("renameat2", $"{from}, {to}");
    }

    /// <summary>Moves a file unless another one has the new name.</summary>
    /// <returns>False where another one has it; nothing is moved then.</returns>
    /// <exception cref="MigrationException">Where it fails otherwise.</exception>
    public static bool TryMove(string from, string to)
    {
        if (Rename(AtWorkingDirectory, from, AtWorkingDirectory, to, NoReplace) == 0) return true;
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.EEXIST) return false;
        if (errno != Errno.EINVAL) throw Errno.Failure(errno, "renameat2", $"{from}, {to}, RENAME_NOREPLACE");

        // EINVAL: a file system that cannot promise it (NFS). What is left is to look first.
        if (FileStatus.TryRead(to) is not null) return false;
        Replace(from, to);
        return true;
    }

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(int fromDirectory, string from, int toDirectory, string to, uint flags);
}
