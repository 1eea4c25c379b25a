using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Takes pages out of a file on a tmpfs (fallocate(2)): they are gone from every mapping too, and read as zeros.</summary>
public static partial class HolePunch
{
    private const int KeepSize = 1;
    private const int PunchHole = 2;

    /// <summary>Punches a hole.</summary>
    /// <param name="file">File, open for writing.</param>
    /// <param name="offset">Offset in bytes, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
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
