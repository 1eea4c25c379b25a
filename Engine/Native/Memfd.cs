using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Memory files without a path (memfd_create(2)).</summary>
public static partial class Memfd
{
    private const uint CloseOnExec = 1;

    /// <summary>Makes a memory file of zeros.</summary>
    /// <param name="name">Shown in /proc/PID/maps, for people.</param>
    /// <param name="sizeBytes">Its size in bytes.</param>
    /// <exception cref="MigrationException">Where memfd_create(2) or ftruncate(2) fails.</exception>
    public static SafeFileHandle Create(string name, long sizeBytes)
    {
        int descriptor = NativeCreate(name, CloseOnExec);
        if (descriptor < 0) throw Errno.LastFailure("memfd_create", name);
        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Truncate(file, sizeBytes) == 0) return file;
        MigrationException failure = Errno.LastFailure("ftruncate", $"memfd {name}, 0x{sizeBytes:x}");
        file.Dispose();
        throw failure;
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int NativeCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate64", SetLastError = true)]
    private static partial int Truncate(SafeFileHandle file, long length);
}
