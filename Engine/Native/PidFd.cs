using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// A handle to a process that stays with it: where the process ended and its id was given to another, calls fail instead of hitting
/// the wrong one (pidfd_open(2), pidfd_getfd(2), pidfd_send_signal(2)).
/// </summary>
public sealed partial class PidFd : IDisposable
{
    /// <summary>SIGKILL.</summary>
    public const int SignalKill = 9;

    /// <summary>SIGTERM.</summary>
    public const int SignalTerminate = 15;

    // The same numbers on every architecture (since the unified table of Linux 5.1).
    private const int CallSendSignal = 424;
    private const int CallOpen = 434;
    private const int CallGetFd = 438;

    private readonly SafeFileHandle handle;
    private readonly Lazy<Task> exited;

    private PidFd(int processId, SafeFileHandle handle)
    {
        ProcessId = processId;
        this.handle = handle;
        exited = new(() => PidFdWatcher.Watch(this.handle));
    }

    /// <summary>Id of the process.</summary>
    public int ProcessId { get; }

    /// <summary>
    /// Completes when the process has ended, whoever ended it. It stays incomplete where the handle is disposed first.
    /// </summary>
    public Task Exited => exited.Value;

    /// <summary>Whether the process has ended; a zombie has.</summary>
    public bool HasExited
    {
        get
        {
            using var reference = new DescriptorReference(handle);
            Span<DescriptorPoll.Entry> entries = [new() { Descriptor = reference.Descriptor, Events = DescriptorPoll.In }];
            return DescriptorPoll.Wait(entries, TimeSpan.Zero) > 0;
        }
    }

    internal SafeFileHandle Handle => handle;

    /// <summary>Opens a process.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where there is none with this id.</exception>
    public static PidFd Open(int processId)
    {
        nint descriptor = SystemCall(CallOpen, processId, 0, 0, 0);
        if (descriptor >= 0) return new(processId, new SafeFileHandle(descriptor, ownsHandle: true));
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.ESRCH) throw new MigrationException(MigrationErrorReason.VmExited, $"Process {processId} does not exist.");
        throw Errno.Failure(errno, "pidfd_open", $"{processId}");
    }

    /// <summary>Duplicates a descriptor of the process into this one. Needs the right to ptrace it.</summary>
    /// <param name="targetDescriptor">Number of the descriptor in the process.</param>
    /// <exception cref="MigrationException">Where pidfd_getfd(2) fails.</exception>
    public SafeFileHandle GetFd(int targetDescriptor)
    {
        using var reference = new DescriptorReference(handle);
        nint descriptor = SystemCall(CallGetFd, reference.Descriptor, targetDescriptor, 0, 0);
        if (descriptor < 0) throw Errno.LastFailure("pidfd_getfd", $"process {ProcessId}, descriptor {targetDescriptor}");
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Sends a signal.</summary>
    /// <returns>False where the process has ended already.</returns>
    public bool SendSignal(int signal)
    {
        using var reference = new DescriptorReference(handle);
        if (SystemCall(CallSendSignal, reference.Descriptor, signal, 0, 0) == 0) return true;
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.ESRCH) return false;
        throw Errno.Failure(errno, "pidfd_send_signal", $"process {ProcessId}, signal {signal}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (exited.IsValueCreated) PidFdWatcher.Forget(exited.Value, handle);
        handle.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, nint second, nint third, nint fourth);
}
