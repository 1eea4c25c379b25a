using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>
/// Has the kernel map memory of another process by large pages: process_madvise(2) with MADV_COLLAPSE, Linux 6.1. Where a file's large page
/// is in the page cache already nothing is copied, only the page tables change: some 10 µs for 2 MiB. Needs CAP_SYS_NICE and the right to
/// trace the process.
/// </summary>
public static partial class ProcessMadvise
{
    // The same number on every architecture.
    private const int CallProcessMadvise = 440;
    private const int AdviseCollapse = 25;

    /// <summary>Maps a range by large pages.</summary>
    /// <param name="process">The process.</param>
    /// <param name="address">First address, a multiple of 2 MiB.</param>
    /// <param name="lengthBytes">Length in bytes, a multiple of 2 MiB.</param>
    /// <exception cref="SystemCallException">Where the process has ended or may not be touched.</exception>
    public static unsafe CollapseOutcome Collapse(PidFd process, ulong address, ulong lengthBytes)
    {
        var range = new Range { Address = address, Length = lengthBytes };
        using var reference = new DescriptorReference(process.Handle);
        // SAFETY: one element of the layout the kernel takes, alive for the call; the addresses in it are the other process's.
        nint advised = SystemCall(CallProcessMadvise, reference.Descriptor, &range, 1, AdviseCollapse, 0);
        if (advised == (nint)lengthBytes) return CollapseOutcome.Done;
        return Marshal.GetLastPInvokeError() switch
        {
            // A part of the range was done and the rest could not be.
            _ when advised >= 0 => CollapseOutcome.Impossible,
            Errno.EINVAL => CollapseOutcome.Impossible,
            Errno.EAGAIN or Errno.EBUSY => CollapseOutcome.Again,
            Errno.ENOMEM => CollapseOutcome.NoMemory,
            Errno.ESRCH => throw new SystemCallException(
                Errno.ESRCH, MigrationErrorReason.VmExited, $"Process {process.ProcessId} ended: it has no memory to map."),
            int errno => throw Errno.Failure(
                errno, "process_madvise", $"MADV_COLLAPSE, process {process.ProcessId}, 0x{address:x}+0x{lengthBytes:x}"),
        };
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint SystemCall(nint number, nint process, Range* ranges, nint count, nint advice, nint flags);

    /// <summary><c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Range
    {
        public ulong Address;
        public ulong Length;
    }
}
