using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Opens files with open(2), where the BCL's own open would take a lock or refuse what is no regular file (device nodes,
/// /proc/PID/map_files).
/// </summary>
public static partial class OpenFile
{
    private const int ReadOnlyFlag = 0;
    private const int WriteOnlyFlag = 1;
    private const int ReadWriteFlag = 2;
    private const int CreateFlag = 0x40;
    private const int CloseOnExec = 0x80000;
    private const int OwnerReadWrite = 0x180;

    /// <summary>Opens an existing file for reading, with an open file description of its own.</summary>
    /// <exception cref="MigrationException">Where open(2) fails, with the path and the error.</exception>
    public static SafeFileHandle ForReading(string path) => Open(path, ReadOnlyFlag, "O_RDONLY");

    /// <summary>Opens an existing file for writing, with an open file description of its own.</summary>
    /// <exception cref="MigrationException">Where open(2) fails, with the path and the error.</exception>
    public static SafeFileHandle ForWriting(string path) => Open(path, WriteOnlyFlag, "O_WRONLY");

    /// <summary>Opens an existing file for reading and writing, with an open file description of its own.</summary>
    /// <exception cref="MigrationException">Where open(2) fails, with the path and the error.</exception>
    public static SafeFileHandle ForReadingAndWriting(string path) => Open(path, ReadWriteFlag, "O_RDWR");

    /// <summary>Opens a file for reading and writing, or makes it, readable and writable by its owner only.</summary>
    /// <exception cref="MigrationException">Where open(2) fails, with the path and the error.</exception>
    public static SafeFileHandle ForReadingAndWritingOrMake(string path) => Open(path, ReadWriteFlag | CreateFlag, "O_RDWR | O_CREAT");

    private static SafeFileHandle Open(string path, int flags, string flagNames)
    {
        int descriptor;
        do
        {
            descriptor = NativeOpen(path, flags | CloseOnExec, OwnerReadWrite);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);

        if (descriptor < 0) throw Errno.LastFailure("open", $"{path}, {flagNames}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int NativeOpen(string path, int flags, int mode);
}
