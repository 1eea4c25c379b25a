using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>Kind and ownership of files: chown(2) and statx(2).</summary>
internal static partial class FileOwner
{
    private const uint KeepOwner = uint.MaxValue;

    // From linux/stat.h and linux/fcntl.h; the same on every architecture.
    private const int AtWorkingDirectory = -100;
    private const int NoFollow = 0x100;
    private const uint MaskType = 1;
    private const int ModeOffset = 28;
    private const int StatxBytes = 256;
    private const int TypeMask = 0xF000;
    private const int TypeSocket = 0xC000;

    /// <summary>Gives a file to a group; its owner stays.</summary>
    public static void SetGroup(string path, uint groupId)
    {
        if (ChangeOwner(path, KeepOwner, groupId) != 0)
        {
            throw Errno.Failure(Marshal.GetLastPInvokeError(), "chown", $"{path}, group {groupId}");
        }
    }

    /// <summary>Gives a file to a user and a group.</summary>
    public static void Set(string path, uint ownerId, uint groupId)
    {
        if (ChangeOwner(path, ownerId, groupId) != 0)
        {
            throw Errno.Failure(Marshal.GetLastPInvokeError(), "chown", $"{path}, user {ownerId}, group {groupId}");
        }
    }

    /// <summary>Whether a path is a unix socket; links are not followed.</summary>
    public static unsafe bool IsSocket(string path)
    {
        byte* buffer = stackalloc byte[StatxBytes];
        // SAFETY: the kernel writes one struct statx, which has 256 bytes.
        if (Statx(AtWorkingDirectory, path, NoFollow, MaskType, buffer) != 0)
        {
            throw Errno.Failure(Marshal.GetLastPInvokeError(), "statx", path);
        }

        return (*(ushort*)(buffer + ModeOffset) & TypeMask) == TypeSocket;
    }

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);
}
