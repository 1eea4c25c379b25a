using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Waits until what was written to a file is on its storage.</summary>
public static partial class FileSync
{
    /// <summary>Contents and what is needed to read them again (fdatasync(2)).</summary>
    /// <exception cref="MigrationException">Where it fails: then it is unknown what of the file is on the storage.</exception>
    public static void Data(SafeFileHandle file)
    {
        while (Fdatasync(file) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR) throw Errno.Failure(errno, "fdatasync", $"descriptor {file.DangerousGetHandle()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int Fdatasync(SafeFileHandle file);
}
