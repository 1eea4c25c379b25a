using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>What the kernel says of a file without opening it (statx(2)). Symbolic links are followed.</summary>
/// <param name="SizeBytes">Length.</param>
/// <param name="AllocatedBytes">Bytes it takes on its file system.</param>
/// <param name="DeviceId">Device number of the file system, as makedev(3) packs it.</param>
/// <param name="MountId">Mount it was reached through (STATX_MNT_ID, Linux 5.8); 0 where the kernel does not say.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="Mode">Type and permissions, as st_mode of inode(7).</param>
/// <param name="OwnerId">User it belongs to.</param>
/// <param name="GroupId">Group it belongs to.</param>
/// <param name="ModifiedNanoseconds">Last change of the contents, nanoseconds since 1970.</param>
/// <param name="ChangedNanoseconds">Last change of contents or inode, nanoseconds since 1970.</param>
internal readonly partial record struct FileStatus(
    long SizeBytes, long AllocatedBytes, long DeviceId, long MountId, long Inode, int Mode, uint OwnerId, uint GroupId,
    long ModifiedNanoseconds, long ChangedNanoseconds)
{
    // From linux/stat.h and linux/fcntl.h; the same on every architecture.
    private const int AtWorkingDirectory = -100;
    private const int AtEmptyPath = 0x1000;
    private const uint MaskBasic = 0x7ff;
    private const uint MaskMountId = 0x1000;
    private const int StatxBytes = 256;
    private const int BlockBytes = 512;
    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;
    private const int PermissionMask = 0xFFF;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Whether it is a regular file.</summary>
    public bool IsRegular => (Mode & TypeMask) == TypeRegular;

    /// <summary>Its permissions, with set-user-id, set-group-id and sticky.</summary>
    public UnixFileMode Permissions => (UnixFileMode)(Mode & PermissionMask);

    /// <summary>Whether rename(2) leads from the one to the other: the same file system through the same mount.</summary>
    public bool SharesMountWith(FileStatus other) => DeviceId == other.DeviceId && MountId == other.MountId;

    /// <summary>Reads it of a path; null where nothing has the path.</summary>
    /// <exception cref="MigrationException">Where statx(2) fails otherwise.</exception>
    public static unsafe FileStatus? TryRead(string path)
    {
        byte* buffer = stackalloc byte[StatxBytes];
        // SAFETY: the kernel writes one struct statx, which has 256 bytes.
        if (Statx(AtWorkingDirectory, path, 0, MaskBasic | MaskMountId, buffer) == 0) return Parse(buffer);
        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.ENOENT or Errno.ENOTDIR ? null : throw Errno.Failure(errno, "statx", path);
    }

    /// <summary>Reads it of an open file.</summary>
    /// <exception cref="MigrationException">Where statx(2) fails.</exception>
    public static unsafe FileStatus Read(SafeFileHandle file)
    {
        byte* buffer = stackalloc byte[StatxBytes];
        // SAFETY: the kernel writes one struct statx, which has 256 bytes.
        if (StatxOf(file, "", AtEmptyPath, MaskBasic | MaskMountId, buffer) == 0) return Parse(buffer);
        throw Errno.LastFailure("statx", $"descriptor {file.DangerousGetHandle()}");
    }

    private static unsafe FileStatus Parse(byte* statx)
    {
        // Offsets of struct statx, statx(2).
        uint mask = *(uint*)statx;
        return new(
            SizeBytes: *(long*)(statx + 40),
            AllocatedBytes: *(long*)(statx + 48) * BlockBytes,
            DeviceId: PackDevice(*(uint*)(statx + 136), *(uint*)(statx + 140)),
            MountId: (mask & MaskMountId) != 0 ? *(long*)(statx + 144) : 0,
            Inode: *(long*)(statx + 32),
            Mode: *(ushort*)(statx + 28),
            OwnerId: *(uint*)(statx + 20),
            GroupId: *(uint*)(statx + 24),
            ModifiedNanoseconds: ReadTime(statx + 112),
            ChangedNanoseconds: ReadTime(statx + 96));
    }

    private static unsafe long ReadTime(byte* time) => (*(long*)time * NanosecondsPerSecond) + *(uint*)(time + 8);

    private static long PackDevice(long major, long minor) =>
        (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xffL) << 12) | ((major & ~0xfffL) << 32);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatxOf(SafeFileHandle file, string path, int flags, uint mask, byte* buffer);
}
