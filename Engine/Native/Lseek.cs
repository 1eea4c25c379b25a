using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Finds data and holes of a sparse file (SEEK_DATA and SEEK_HOLE of lseek(2)). Both move the position of the open file description;
/// who uses the position too must not share it.
/// </summary>
public static partial class Lseek
{
    private const int SeekData = 3;
    private const int SeekHole = 4;

    /// <summary>Finds the first byte at or after <paramref name="offset"/> that belongs to data.</summary>
    /// <returns>False where only a hole follows.</returns>
    public static bool TryFindData(SafeFileHandle file, long offset, out long start)
    {
        start = Seek(file, offset, SeekData);
        if (start >= 0) return true;
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.ENXIO) return false;
        throw Errno.Failure(errno, "lseek", $"SEEK_DATA, 0x{offset:x}");
    }

    /// <summary>
    /// Finds the first byte at or after <paramref name="offset"/> that belongs to a hole; the end of the file counts as one. On tmpfs
    /// this takes time in proportion to the data it passes over.
    /// </summary>
    public static long FindHole(SafeFileHandle file, long offset)
    {
        long hole = Seek(file, offset, SeekHole);
        if (hole < 0) throw Errno.LastFailure("lseek", $"SEEK_HOLE, 0x{offset:x}");
        return hole;
    }

    [LibraryImport("libc", EntryPoint = "lseek64", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
