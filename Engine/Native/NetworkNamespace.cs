using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// A network of its own: devices, addresses, routes and sockets that no other sees (network_namespaces(7)). This handle keeps it alive, and
/// so do the sockets opened in it; with the last of them it goes, and so do the devices in it. No name of it is in the file system, so
/// nothing is left of it when the process is killed.
/// </summary>
public sealed partial class NetworkNamespace : IDisposable
{
    private const int NewNetwork = 0x40000000;
    private const string OfThisThread = "/proc/thread-self/ns/net";

    private readonly SafeFileHandle handle;

    private NetworkNamespace(SafeFileHandle handle) => this.handle = handle;

    /// <summary>A path by which another process of the same user opens it, as long as this handle is open.</summary>
    public string Path => $"/proc/{Environment.ProcessId}/fd/{handle.DangerousGetHandle()}";

    /// <summary>Makes an empty one, whose only device is a loopback that is down.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.AccessDenied"/> without CAP_SYS_ADMIN; where unshare(2) fails otherwise.
    /// </exception>
    public static NetworkNamespace Create() => RunOnThread(() =>
    {
        if (Unshare(NewNetwork) != 0) throw Errno.LastFailure("unshare", "CLONE_NEWNET");
        return OpenCurrent();
    });

    /// <summary>The one this thread is in, which is that of the process unless <see cref="Run{T}"/> called.</summary>
    public static NetworkNamespace OpenCurrent() => new(OpenFile.ForReading(OfThisThread));

    /// <summary>One that another process has.</summary>
    /// <param name="path">A link to it, such as <c>/proc/PID/ns/net</c>, or that of a descriptor of it (proc_pid_fd(5)).</param>
    public static NetworkNamespace Open(string path) => new(OpenFile.ForReading(path));

    /// <summary>Runs <paramref name="work"/> inside, on a thread of its own: sockets it opens and processes it starts stay inside.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.AccessDenied"/> without CAP_SYS_ADMIN; what <paramref name="work"/> throws passes as it is.
    /// </exception>
    public T Run<T>(Func<T> work) => RunOnThread(() =>
    {
        if (SetNamespace(handle, NewNetwork) != 0) throw Errno.LastFailure("setns", "CLONE_NEWNET");
        return work();
    });

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    /// <summary>The thread ends with the work: one that changed its namespace must not go back to a pool.</summary>
    private static T RunOnThread<T>(Func<T> work)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = work();
            }
            catch (Exception error)
            {
                failure = ExceptionDispatchInfo.Capture(error);
            }
        })
        {
            IsBackground = true,
            Name = "network namespace",
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle descriptor, int type);
}
