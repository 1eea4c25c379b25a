using System.Globalization;
using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>
/// Writes to memory of this process by process_vm_writev(2): what cannot be written shows as EFAULT, where a store ends the process with
/// SIGBUS.
/// </summary>
internal static partial class ProcessMemory
{
    /// <summary>Copies bytes to an address of this process.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.OutOfSpace"/> where a page of the file behind it is not to be had (EFAULT).
    /// </exception>
    public static unsafe void Write(nint address, ReadOnlySpan<byte> source)
    {
        // SAFETY: the source is pinned for the call and its length bounds both ranges; the kernel checks the destination itself.
        fixed (byte* bytes = source)
        {
            int done = 0;
            while (done < source.Length)
            {
                var local = new Range { Address = (nint)(bytes + done), Length = source.Length - done };
                var remote = new Range { Address = address + done, Length = source.Length - done };
                nint count = WriteVector(Environment.ProcessId, &local, 1, &remote, 1, 0);
                if (count > 0)
                {
                    done += (int)count;
                    continue;
                }

                int errno = Marshal.GetLastPInvokeError();
                if (count < 0 && errno == Errno.EINTR) continue;
                string where = string.Create(CultureInfo.InvariantCulture, $"0x{address + done:x}+0x{source.Length - done:x}");
                throw errno == Errno.EFAULT || count == 0
                    ? new SystemCallException(
                        Errno.EFAULT, MigrationErrorReason.OutOfSpace,
                        $"process_vm_writev({where}) failed with EFAULT: the file has no page there.",
                        "Free memory or space on the file system that holds guest RAM, then retry.")
                    : Errno.Failure(errno, "process_vm_writev", where);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "process_vm_writev", SetLastError = true)]
    private static unsafe partial nint WriteVector(
        int processId, Range* local, nuint localCount, Range* remote, nuint remoteCount, nuint flags);

    /// <summary><c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Range
    {
        public nint Address;
        public nint Length;
    }
}
