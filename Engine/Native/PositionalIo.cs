using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// pread(2) and pwrite(2) with the error number as a value: EIO is an expected answer of a RAM file with a memory error, and an
/// exception per poisoned page would cost more than the read.
/// </summary>
public static partial class PositionalIo
{
    /// <summary>Reads once at <paramref name="offset"/>, again only after EINTR.</summary>
    /// <returns>Bytes read, 0 at the end of the file, or the negative error number.</returns>
    public static unsafe int Read(SafeFileHandle file, long offset, Span<byte> destination)
    {
        // SAFETY: the span is pinned for the call and its length bounds what the kernel writes.
        fixed (byte* buffer = destination)
        {
            while (true)
            {
                nint count = NativeRead(file, buffer, (nuint)destination.Length, offset);
                if (count >= 0) return (int)count;
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return -errno;
            }
        }
    }

    /// <summary>Reads from <paramref name="offset"/> until the destination is full, the file ends or a read fails.</summary>
    /// <param name="file">File to read.</param>
    /// <param name="offset">Offset in bytes.</param>
    /// <param name="destination">Filled from its start.</param>
    /// <param name="errno">0, or the error number that ended the reading at <c>offset + count</c>.</param>
    /// <returns>Bytes read; fewer than asked for with <paramref name="errno"/> 0 means that the file ended.</returns>
    public static int ReadFully(SafeFileHandle file, long offset, Span<byte> destination, out int errno)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int count = Read(file, offset + done, destination[done..]);
            if (count <= 0)
            {
                errno = -count;
                return done;
            }

            done += count;
        }

        errno = 0;
        return done;
    }

    /// <summary>Writes once at <paramref name="offset"/>, again only after EINTR.</summary>
    /// <returns>Bytes written, which can be fewer than asked for, or the negative error number.</returns>
    public static unsafe int Write(SafeFileHandle file, long offset, ReadOnlySpan<byte> source)
    {
        // SAFETY: the span is pinned for the call and its length bounds what the kernel reads.
        fixed (byte* buffer = source)
        {
            while (true)
            {
                nint count = NativeWrite(file, buffer, (nuint)source.Length, offset);
                if (count >= 0) return (int)count;
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return -errno;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "pread64", SetLastError = true)]
    private static unsafe partial nint NativeRead(SafeFileHandle file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite64", SetLastError = true)]
    private static unsafe partial nint NativeWrite(SafeFileHandle file, byte* buffer, nuint count, long offset);
}
