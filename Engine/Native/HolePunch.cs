using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Takes a part out of a file (fallocate(2)): it reads as zeros, in every mapping too, and its space is free. Of pages that lie in it in part
/// only that part becomes zeros.
/// </summary>
public static partial class HolePunch
{
    private const int KeepSize = 1;
    private const int PunchHole = 2;

    /// <summary>Punches a hole.</summary>
    /// <param name="file">File, open for writing.</param>
    /// <param name="offset">Offset in bytes.</param>
    /// <param name="lengthBytes">Length in bytes, above 0.</param>
    /// <exception cref="MigrationException">Where fallocate(2) fails.</exception>
    public static void Punch(SafeFileHandle file, long offset, long lengthBytes)
    {
        while (Allocate(file, PunchHole | KeepSize, offset, lengthBytes) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR) throw Errno.Failure(errno, "fallocate", $"PUNCH_HOLE, 0x{offset:x}+0x{lengthBytes:x}");
        }
    }

    [LibraryImport("libc", EntryPoint = "fallocate64", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long lengthBytes);
}
