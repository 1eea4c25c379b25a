using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// A descriptor that becomes ready when it is signalled (eventfd(2)), to end or to interrupt a wait for others. For any thread.
/// </summary>
internal sealed partial class EventFd : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;

    public EventFd()
    {
        int descriptor = Create(0, CloseOnExec | NonBlocking);
        if (descriptor < 0) throw Errno.LastFailure("eventfd", "0, EFD_CLOEXEC|EFD_NONBLOCK");
        Handle = new SafeFileHandle(descriptor, ownsHandle: true);
    }

    public SafeFileHandle Handle { get; }

    /// <summary>Makes it ready, until it is reset.</summary>
    public unsafe void Signal()
    {
        ulong one = 1;
        // EAGAIN: the counter is full, so it is ready. SAFETY: the eight bytes that eventfd(2) takes.
        if (Write(Handle, &one, sizeof(ulong)) < 0 && Marshal.GetLastPInvokeError() != Errno.EAGAIN)
        {
            throw Errno.LastFailure("write", "eventfd");
        }
    }

    /// <summary>Makes it not ready.</summary>
    public unsafe void Reset()
    {
        ulong count;
        // EAGAIN: it was not ready. SAFETY: room for the eight bytes that eventfd(2) reads.
        if (Read(Handle, &count, sizeof(ulong)) < 0 && Marshal.GetLastPInvokeError() != Errno.EAGAIN)
        {
            throw Errno.LastFailure("read", "eventfd");
        }
    }

    public void Dispose() => Handle.Dispose();

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int Create(uint initialValue, int flags);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(SafeFileHandle file, ulong* value, nuint lengthBytes);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(SafeFileHandle file, ulong* value, nuint lengthBytes);
}
