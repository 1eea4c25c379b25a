using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Waits for any number of processes with one thread and one epoll(7) instance; the thread starts with the first and stays.
/// </summary>
internal static partial class PidFdWatcher
{
    private const int CloseOnExec = 0x80000;
    private const int Add = 1;
    private const int Delete = 2;
    private const uint In = 1;
    private const uint OneShot = 1u << 30;
    private const int EventCapacity = 16;

    private static readonly ConcurrentDictionary<long, TaskCompletionSource> Waiting = new();
    private static readonly Lazy<SafeFileHandle> Instance = new(Start);
    private static long lastId;

    // struct epoll_event is packed on x86-64 and aligned elsewhere (epoll_event(3type)).
    private static int EventBytes => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    private static int DataOffset => EventBytes - sizeof(long);

    public static unsafe Task Watch(SafeFileHandle pidFd)
    {
        long id = Interlocked.Increment(ref lastId);
        var source = new TaskCompletionSource(id, TaskCreationOptions.RunContinuationsAsynchronously);
        Waiting[id] = source;

        Span<byte> entry = stackalloc byte[EventBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, In | OneShot);
        BinaryPrimitives.WriteInt64LittleEndian(entry[DataOffset..], id);
        // SAFETY: the entry has the size and layout the kernel expects on this architecture.
        fixed (byte* pointer = entry)
        {
            if (Control(Instance.Value, Add, pidFd, pointer) == 0) return source.Task;
        }

        MigrationException failure = Errno.LastFailure("epoll_ctl", "EPOLL_CTL_ADD of a pidfd");
        Waiting.TryRemove(id, out _);
        throw failure;
    }

    /// <summary>Stops watching, where the process has not ended yet.</summary>
    public static unsafe void Forget(Task watch, SafeFileHandle pidFd)
    {
        if (watch.AsyncState is not long id || !Waiting.TryRemove(id, out _)) return;
        if (Control(Instance.Value, Delete, pidFd, null) != 0) throw Errno.LastFailure("epoll_ctl", "EPOLL_CTL_DEL of a pidfd");
    }

    private static SafeFileHandle Start()
    {
        int descriptor = Create(CloseOnExec);
        if (descriptor < 0) throw Errno.LastFailure("epoll_create1", "EPOLL_CLOEXEC");
        var instance = new SafeFileHandle(descriptor, ownsHandle: true);
        new Thread(() => Run(instance)) { IsBackground = true, Name = "process exits" }.Start();
        return instance;
    }

    private static unsafe void Run(SafeFileHandle instance)
    {
        Span<byte> events = stackalloc byte[EventCapacity * EventBytes];
        while (true)
        {
            int count;
            // SAFETY: room for EventCapacity entries of the kernel's size.
            fixed (byte* pointer = events) count = Wait(instance, pointer, EventCapacity, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR) throw Errno.LastFailure("epoll_wait", "pidfds");
            for (int index = 0; index < count; index++)
            {
                long id = BinaryPrimitives.ReadInt64LittleEndian(events[(index * EventBytes + DataOffset)..]);
                if (Waiting.TryRemove(id, out TaskCompletionSource? source)) source.TrySetResult();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static unsafe partial int Control(SafeFileHandle instance, int operation, SafeFileHandle file, byte* entry);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static unsafe partial int Wait(SafeFileHandle instance, byte* events, int capacity, int timeoutMilliseconds);
}
