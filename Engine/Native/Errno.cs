using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>Error numbers of Linux system calls (errno(3)), and the exception they become.</summary>
public static class Errno
{
    /// <summary>Operation not permitted.</summary>
    public const int EPERM = 1;

    /// <summary>No such file or directory.</summary>
    public const int ENOENT = 2;

    /// <summary>No such process.</summary>
    public const int ESRCH = 3;

    /// <summary>Interrupted by a signal.</summary>
    public const int EINTR = 4;

    /// <summary>Input/output error; on memory files, an uncorrectable memory error.</summary>
    public const int EIO = 5;

    /// <summary>No such device or address; from lseek(2), no data after the offset.</summary>
    public const int ENXIO = 6;

    /// <summary>Bad file descriptor.</summary>
    public const int EBADF = 9;

    /// <summary>No such child; from waitpid(2), no process to wait for.</summary>
    public const int ECHILD = 10;

    /// <summary>Try again.</summary>
    public const int EAGAIN = 11;

    /// <summary>Out of memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Permission denied.</summary>
    public const int EACCES = 13;

    /// <summary>Bad address.</summary>
    public const int EFAULT = 14;

    /// <summary>Device or resource busy.</summary>
    public const int EBUSY = 16;

    /// <summary>Exists already.</summary>
    public const int EEXIST = 17;

    /// <summary>No such device.</summary>
    public const int ENODEV = 19;

    /// <summary>Not a directory.</summary>
    public const int ENOTDIR = 20;

    /// <summary>Invalid argument.</summary>
    public const int EINVAL = 22;

    /// <summary>Too many open files.</summary>
    public const int EMFILE = 24;

    /// <summary>No such ioctl on this descriptor.</summary>
    public const int ENOTTY = 25;

    /// <summary>No space left on the file system.</summary>
    public const int ENOSPC = 28;

    /// <summary>Read-only file system.</summary>
    public const int EROFS = 30;

    /// <summary>A buffer is too small for the answer.</summary>
    public const int ERANGE = 34;

    /// <summary>The kernel does not have this system call.</summary>
    public const int ENOSYS = 38;

    /// <summary>Not supported by this file system.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>Disk quota exceeded.</summary>
    public const int EDQUOT = 122;

    /// <summary>The page has an uncorrectable memory error.</summary>
    public const int EHWPOISON = 133;

    /// <summary>The symbol of an error number, for example <c>ENOSPC</c>; <c>errno N</c> where it has none here.</summary>
    public static string Name(int errno) => errno switch
    {
        EPERM => nameof(EPERM),
        ENOENT => nameof(ENOENT),
        ESRCH => nameof(ESRCH),
        EINTR => nameof(EINTR),
        EIO => nameof(EIO),
        ENXIO => nameof(ENXIO),
        EBADF => nameof(EBADF),
        ECHILD => nameof(ECHILD),
        EAGAIN => nameof(EAGAIN),
        ENOMEM => nameof(ENOMEM),
        EACCES => nameof(EACCES),
        EFAULT => nameof(EFAULT),
        EBUSY => nameof(EBUSY),
        EEXIST => nameof(EEXIST),
        ENODEV => nameof(ENODEV),
        ENOTDIR => nameof(ENOTDIR),
        EINVAL => nameof(EINVAL),
        EMFILE => nameof(EMFILE),
        ENOTTY => nameof(ENOTTY),
        ENOSPC => nameof(ENOSPC),
        EROFS => nameof(EROFS),
        ENOSYS => nameof(ENOSYS),
        EOPNOTSUPP => nameof(EOPNOTSUPP),
        EDQUOT => nameof(EDQUOT),
        EHWPOISON => nameof(EHWPOISON),
        _ => $"errno {errno}",
    };

    /// <summary>
    /// The exception for a failed call: EPERM, EACCES and EROFS give <see cref="MigrationErrorReason.AccessDenied"/>; ENOSPC, EDQUOT and
    /// ENOMEM give <see cref="MigrationErrorReason.OutOfSpace"/>; ENOSYS gives <see cref="MigrationErrorReason.PrerequisiteMissing"/>; any
    /// other <see cref="MigrationErrorReason.SystemCallFailed"/>.
    /// </summary>
    /// <param name="errno">The error number.</param>
    /// <param name="call">Name of the system call, with the ioctl where it is one.</param>
    /// <param name="arguments">What it was called with, for the message.</param>
    public static SystemCallException Failure(int errno, string call, string arguments)
    {
        string message = $"{call}({arguments}) failed with {Name(errno)}: {Marshal.GetPInvokeErrorMessage(errno)}.";
        return errno switch
        {
            EPERM or EACCES or EROFS => new(
                errno, MigrationErrorReason.AccessDenied, message, "Run as root, or grant the account the right the message names."),
            ENOSPC or EDQUOT or ENOMEM => new(
                errno, MigrationErrorReason.OutOfSpace, message, "Free memory or space on the file system that holds guest RAM, then retry."),
            ENOSYS => new(errno, MigrationErrorReason.PrerequisiteMissing, message, "Use a kernel that has this system call."),
            _ => new(errno, MigrationErrorReason.SystemCallFailed, message),
        };
    }

    /// <summary>The exception for the call that failed last on this thread.</summary>
    internal static SystemCallException LastFailure(string call, string arguments) =>
        Failure(Marshal.GetLastPInvokeError(), call, arguments);
}
