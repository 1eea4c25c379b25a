using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>Looks for locks that belong to other open files (open file description locks, F_OFD_GETLK of fcntl(2)).</summary>
public static partial class OpenFileLock
{
    private const int GetLock = 36;
    private const short WriteLock = 1;
    private const short Unlocked = 2;

    /// <summary>Whether somebody else holds a lock, shared or exclusive, on a byte of the file. Sets none itself.</summary>
    /// <exception cref="MigrationException">Where fcntl(2) fails.</exception>
    public static bool IsHeld(SafeFileHandle file, long offset)
    {
        var wanted = new FileLock { Type = WriteLock, Start = offset, Length = 1 };
        while (Fcntl(file, GetLock, ref wanted) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR) throw Errno.Failure(errno, "fcntl", $"F_OFD_GETLK, byte {offset}");
        }

        return wanted.Type != Unlocked;
    }

    [LibraryImport("libc", EntryPoint = "fcntl64", SetLastError = true)]
    private static partial int Fcntl(SafeFileHandle file, int command, ref FileLock wanted);

    /// <summary>struct flock of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int ProcessId;
    }
}
