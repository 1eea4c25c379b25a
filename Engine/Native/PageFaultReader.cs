using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Reads the page faults of a userfaultfd, many at a time, until it is stopped or the process ends (read(2) on a userfaultfd,
/// userfaultfd(2)). <see cref="Wait"/> is for one thread; <see cref="Interrupt"/> and <see cref="Stop"/> for any.
/// </summary>
public sealed unsafe partial class PageFaultReader : IDisposable
{
    private readonly Userfaultfd userfaultfd;
    private readonly PidFd target;
    private readonly EventFd interruption = new();
    private readonly int capacity;
    private PageFault* faults;
    private volatile bool stopped;

    /// <param name="userfaultfd">Stays the caller's.</param>
    /// <param name="target">The process whose memory it is; stays the caller's.</param>
    /// <param name="capacity">How many faults one read returns at most.</param>
    public PageFaultReader(Userfaultfd userfaultfd, PidFd target, int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        this.userfaultfd = userfaultfd;
        this.target = target;
        this.capacity = capacity;
        faults = (PageFault*)NativeMemory.Alloc((nuint)capacity, (nuint)sizeof(PageFault));
    }

    /// <summary>Waits for faults.</summary>
    /// <param name="limit">Longest time to wait, to about 0.1 ms; negative waits without end.</param>
    /// <param name="found">The faults, valid until the next call; empty where the time is over or the wait was interrupted.</param>
    /// <returns>False once it was stopped or the process has ended: no fault is read any more.</returns>
    /// <exception cref="MigrationException">Where ppoll(2) or read(2) fails.</exception>
    public bool Wait(TimeSpan limit, out ReadOnlySpan<PageFault> found)
    {
        ObjectDisposedException.ThrowIf(faults == null, this);
        found = default;
        if (stopped) return false;
        using var file = new DescriptorReference(userfaultfd.Handle);
        using var wakeup = new DescriptorReference(interruption.Handle);
        using var process = new DescriptorReference(target.Handle);
        Span<DescriptorPoll.Entry> entries =
        [
            new() { Descriptor = file.Descriptor, Events = DescriptorPoll.In },
            new() { Descriptor = wakeup.Descriptor, Events = DescriptorPoll.In },
            new() { Descriptor = process.Descriptor, Events = DescriptorPoll.In },
        ];
        DescriptorPoll.Wait(entries, limit);
        if (entries[2].ReturnedEvents != 0) return false;
        if (entries[1].ReturnedEvents != 0) interruption.Reset();
        if (stopped) return false;
        if (entries[0].ReturnedEvents != 0) found = Read();
        return true;
    }

    /// <summary>Has the wait under way, or the next one, return at once.</summary>
    public void Interrupt() => interruption.Signal();

    /// <summary>Has the wait under way, and every later one, return false.</summary>
    public void Stop()
    {
        stopped = true;
        interruption.Signal();
    }

    /// <summary>Frees what it took; nobody may wait any more.</summary>
    public void Dispose()
    {
        interruption.Dispose();
        NativeMemory.Free(faults);
        faults = null;
    }

    private ReadOnlySpan<PageFault> Read()
    {
        while (true)
        {
            // SAFETY: room for capacity messages; the structure has the kernel's layout (a test checks its size).
            nint bytes = Read(userfaultfd.Handle, faults, (nuint)(capacity * sizeof(PageFault)));
            if (bytes >= 0)
            {
                var found = new ReadOnlySpan<PageFault>(faults, (int)(bytes / sizeof(PageFault)));
                Check(found);
                return found;
            }

            int errno = Marshal.GetLastPInvokeError();
            // EAGAIN: what had been waiting was woken before it was read.
            if (errno == Errno.EAGAIN) return default;
            if (errno != Errno.EINTR) throw Errno.Failure(errno, "read", $"userfaultfd of process {target.ProcessId}");
        }
    }

    private void Check(ReadOnlySpan<PageFault> found)
    {
        foreach (ref readonly PageFault fault in found)
        {
            if (fault.EventType == PageFault.PageFaultEvent) continue;
            // No other event was asked for in UFFDIO_API.
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed,
                $"The userfaultfd of process {target.ProcessId} reports event 0x{fault.EventType:x}, which nobody asked for.");
        }
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeFileHandle file, PageFault* faults, nuint lengthBytes);
}
