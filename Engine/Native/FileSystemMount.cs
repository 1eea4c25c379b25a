using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>
/// Mounts and unmounts file systems (mount(2), umount2(2)). Needs CAP_SYS_ADMIN in the user namespace that owns the mounts.
/// </summary>
public static partial class FileSystemMount
{
    private const nuint NoSetUserId = 2;
    private const nuint NoDevices = 4;
    private const nuint NoExecute = 8;
    private const int UnmountNoFollow = 8;

    /// <summary>Mounts a file system that has no device behind it, without set-user-ID programs, device nodes and execution.</summary>
    /// <param name="type">Type of the file system, for example <c>tmpfs</c>.</param>
    /// <param name="source">What stands in the first column of the table of mounts.</param>
    /// <param name="target">An existing directory.</param>
    /// <param name="options">Options of the file system, separated by commas.</param>
    /// <exception cref="SystemCallException">
    /// With EPERM without the right to mount, EINVAL where the kernel does not know an option, ENODEV where it does not know the type.
    /// </exception>
    public static void Mount(string type, string source, string target, string options)
    {
        if (NativeMount(source, target, type, NoSetUserId | NoDevices | NoExecute, options) == 0) return;
        throw Errno.LastFailure("mount", $"{source}, {target}, {type}, {options}");
    }

    /// <summary>Unmounts what is mounted last on a directory.</summary>
    /// <returns>False where a file on it is still open, or some process has it as its directory.</returns>
    /// <exception cref="SystemCallException">With EINVAL where nothing is mounted there.</exception>
    public static bool TryUnmount(string target)
    {
        if (NativeUnmount(target, UnmountNoFollow) == 0) return true;
        if (Marshal.GetLastPInvokeError() == Errno.EBUSY) return false;
        throw Errno.LastFailure("umount2", $"{target}, UMOUNT_NOFOLLOW");
    }

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int NativeMount(string source, string target, string type, nuint flags, string data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int NativeUnmount(string target, int flags);
}
