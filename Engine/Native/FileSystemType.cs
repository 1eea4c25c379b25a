using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Which file system an open file is on (fstatfs(2)).</summary>
public static partial class FileSystemType
{
    /// <summary>TMPFS_MAGIC of linux/magic.h: a tmpfs, or shared memory without a name (memfd).</summary>
    public const long Tmpfs = 0x01021994;

    /// <summary>HUGETLBFS_MAGIC of linux/magic.h.</summary>
    public const long Hugetlbfs = 0x958458f6;

    // struct statfs is 120 bytes on 64-bit Linux; its first member is the type.
    private const int StatfsBytes = 120;

    /// <summary>Reads the type, one of the magic numbers of linux/magic.h.</summary>
    /// <exception cref="MigrationException">Where fstatfs(2) fails.</exception>
    public static unsafe long Read(SafeFileHandle file)
    {
        byte* statistics = stackalloc byte[StatfsBytes];
        // SAFETY: the buffer has the size of the structure the kernel fills.
        if (Statfs(file, statistics) != 0) throw Errno.LastFailure("fstatfs", $"descriptor {file.DangerousGetHandle()}");
        return *(long*)statistics;
    }

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static unsafe partial int Statfs(SafeFileHandle file, byte* statistics);
}
