using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>Asks whether this account could change a file or directory (access(2)), without trying.</summary>
internal static partial class FileAccessCheck
{
    private const int WriteAccess = 2;

    /// <summary>Whether the path exists and may be written to.</summary>
    public static bool IsWritable(string path)
    {
        if (Access(path, WriteAccess) == 0) return true;
        int errno = Marshal.GetLastPInvokeError();
        if (errno is Errno.EACCES or Errno.EROFS or Errno.ENOENT or Errno.EPERM) return false;
        throw Errno.Failure(errno, "access", $"{path}, W_OK");
    }

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}
