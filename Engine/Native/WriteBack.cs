using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Starts writing dirty pages of a file to its storage without waiting (sync_file_range(2)), so that a later fdatasync(2) finds little to
/// do. It makes nothing durable by itself.
/// </summary>
public static partial class WriteBack
{
    private const uint Write = 2;

    /// <summary>Starts it for a part of a file; does nothing on a file system that has no storage behind its pages.</summary>
    /// <exception cref="MigrationException">Where an earlier write to the storage failed.</exception>
    public static void Start(SafeFileHandle file, long offset, long lengthBytes)
    {
        if (SyncFileRange(file, offset, lengthBytes, Write) == 0) return;
        int errno = Marshal.GetLastPInvokeError();
        if (errno is not (Errno.ENOSYS or Errno.EINVAL)) throw Errno.Failure(errno, "sync_file_range", $"0x{offset:x}+0x{lengthBytes:x}");
    }

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long lengthBytes, uint flags);
}
