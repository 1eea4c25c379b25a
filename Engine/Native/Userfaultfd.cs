using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Page tables of one process under the control of a descriptor (userfaultfd(2), ioctl_userfaultfd(2)). All addresses are those of the
/// process in which the descriptor was made. Disposal of the last descriptor lifts all registrations. Safe to use from several threads.
/// </summary>
public sealed partial class Userfaultfd : IDisposable
{
    internal const uint RequestApi = 0xc018aa3f;
    internal const uint RequestRegister = 0xc020aa00;
    internal const uint RequestUnregister = 0x8010aa01;
    internal const uint RequestWake = 0x8010aa02;
    internal const uint RequestCopy = 0xc028aa03;
    internal const uint RequestZeroPage = 0xc020aa04;
    internal const uint RequestWriteProtect = 0xc018aa06;
    internal const uint RequestContinue = 0xc020aa07;
    internal const uint RequestPoison = 0xc020aa08;

    private const ulong ApiVersion = 0xaa;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int UserModeOnly = 1;
    private const int CallUserfaultfdX64 = 323;
    private const int CallUserfaultfdArm64 = 282;
    private const int CallCloseX64 = 3;
    private const ulong WriteProtectOn = 1;

    private readonly SafeFileHandle handle;
    private int descriptorInside = -1;

    private Userfaultfd(SafeFileHandle handle, UserfaultfdFeatures available)
    {
        this.handle = handle;
        Available = available;
    }

    /// <summary>The features this kernel has, whichever were asked for.</summary>
    public UserfaultfdFeatures Available { get; }

    internal SafeFileHandle Handle => handle;

    /// <summary>Makes a descriptor for this process.</summary>
    /// <param name="features">The features to switch on.</param>
    /// <param name="kernelModeFaults">
    /// Whether faults of system calls on the memory are handled too, which takes CAP_SYS_PTRACE or vm.unprivileged_userfaultfd=1. Faults
    /// from user mode alone take no right, and are enough where the kernel resolves the faults itself: those of system calls as well.
    /// </param>
    /// <exception cref="MigrationException">
    /// Where userfaultfd(2) fails or a feature is missing; <see cref="MigrationErrorReason.AccessDenied"/> without the right.
    /// </exception>
    public static Userfaultfd Create(UserfaultfdFeatures features, bool kernelModeFaults = false)
    {
        nint descriptor = SystemCall(CallNumber, CreationFlags(kernelModeFaults));
        if (descriptor < 0) throw Errno.LastFailure("userfaultfd", $"flags 0x{CreationFlags(kernelModeFaults):x}");
        return Negotiate(new SafeFileHandle(descriptor, ownsHandle: true), features);
    }

    /// <summary>Makes a descriptor for another process by an injected system call and takes it out.</summary>
    /// <param name="target">The process; what <see cref="Ptrace.WhileStopped"/> says of it holds here too.</param>
    /// <param name="features">The features to switch on.</param>
    /// <param name="kernelModeFaults">As for <see cref="Create"/>; the right counts that the other process has.</param>
    /// <param name="stayOpenInside">
    /// Whether the process keeps its copy until it ends. Without one, the end of this process lifts all registrations, and threads that
    /// wait in a fault go on; with one, they wait until somebody takes the descriptor out again.
    /// </param>
    /// <exception cref="MigrationException">
    /// As <see cref="Ptrace.WhileStopped"/>, or where userfaultfd(2) or pidfd_getfd(2) fails or a feature is missing.
    /// </exception>
    public static Userfaultfd CreateInside(
        PidFd target, UserfaultfdFeatures features, bool kernelModeFaults = false, bool stayOpenInside = false)
    {
        (SafeFileHandle stolen, int inside) =
            Ptrace.WhileStopped(target, stopped => TakeOut(stopped, target, kernelModeFaults, stayOpenInside));
        Userfaultfd made = Negotiate(stolen, features);
        made.descriptorInside = inside;
        return made;
    }

    /// <summary>Closes the copy that the other process kept, if it has one.</summary>
    /// <param name="target">The process in which it was made.</param>
    /// <exception cref="MigrationException">As <see cref="Ptrace.WhileStopped"/>.</exception>
    public void CloseInside(PidFd target)
    {
        if (descriptorInside < 0) return;
        Ptrace.WhileStopped(target, stopped => stopped.Call(CallCloseX64, (ulong)descriptorInside));
        descriptorInside = -1;
    }

    /// <summary>The same for a process that is stopped already, for user mode faults; the process keeps no copy.</summary>
    /// <param name="stopped">The stopped process.</param>
    /// <param name="target">The same process.</param>
    /// <param name="features">The features to switch on.</param>
    public static Userfaultfd CreateInside(Ptrace stopped, PidFd target, UserfaultfdFeatures features) =>
        Negotiate(TakeOut(stopped, target, kernelModeFaults: false, stayOpenInside: false).Taken, features);

    /// <summary>Puts a range of addresses under the control of this descriptor.</summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    /// <param name="modes">Which faults to handle.</param>
    public void Register(ulong address, ulong lengthBytes, UserfaultfdModes modes)
    {
        if (TryRegister(address, lengthBytes, modes)) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState,
            $"ioctl({RegisterCall(address, lengthBytes, modes)}) failed with EBUSY: another userfaultfd holds the memory.",
            "End the other migration or post-copy of this VM first.");
    }

    /// <summary>The same, but false where another descriptor holds the range (EBUSY).</summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    /// <param name="modes">Which faults to handle.</param>
    public unsafe bool TryRegister(ulong address, ulong lengthBytes, UserfaultfdModes modes)
    {
        var argument = new RegisterArgument { Start = address, Length = lengthBytes, Mode = (ulong)modes };
        // SAFETY: the structure has the kernel's layout (a test checks size and request number) and lives for the call.
        if (Control(handle, RequestRegister, &argument) == 0) return true;
        int errno = Marshal.GetLastPInvokeError();
        return errno == Errno.EBUSY ? false : throw Errno.Failure(errno, "ioctl", RegisterCall(address, lengthBytes, modes));
    }

    /// <summary>Gives a range back; protection and traces are gone. A process that has ended counts as done.</summary>
    public unsafe void Unregister(ulong address, ulong lengthBytes)
    {
        var argument = new RangeArgument { Start = address, Length = lengthBytes };
        // SAFETY: as in Register.
        if (Control(handle, RequestUnregister, &argument) == 0) return;
        int errno = Marshal.GetLastPInvokeError();
        // ENOMEM and ESRCH: the address space is gone (mm/userfaultfd.c takes a reference first), with all registrations in it.
        if (errno is Errno.ENOMEM or Errno.ESRCH) return;
        throw Errno.Failure(errno, "ioctl", $"UFFDIO_UNREGISTER, 0x{address:x}+0x{lengthBytes:x}");
    }

    /// <summary>Protects a range against writes, or lifts that.</summary>
    /// <returns><see cref="UserfaultfdOutcome.Done"/>, or <see cref="UserfaultfdOutcome.Again"/> with nothing known to be done.</returns>
    public unsafe UserfaultfdOutcome WriteProtect(ulong address, ulong lengthBytes, bool protect)
    {
        var argument = new WriteProtectArgument { Start = address, Length = lengthBytes, Mode = protect ? WriteProtectOn : 0 };
        // SAFETY: as in Register.
        if (Control(handle, RequestWriteProtect, &argument) == 0) return UserfaultfdOutcome.Done;
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.EAGAIN) return UserfaultfdOutcome.Again;
        throw PageFailure(errno, "UFFDIO_WRITEPROTECT", address, lengthBytes);
    }

    /// <summary>
    /// Lets the threads go on that wait in faults of the range (UFFDIO_WAKE); they try again. Lifting a protection does the same. A process
    /// that has ended counts as done.
    /// </summary>
    public unsafe void Wake(ulong address, ulong lengthBytes)
    {
        var argument = new RangeArgument { Start = address, Length = lengthBytes };
        // SAFETY: as in Register.
        if (Control(handle, RequestWake, &argument) == 0) return;
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.ESRCH) return;
        throw Errno.Failure(errno, "ioctl", $"UFFDIO_WAKE, 0x{address:x}+0x{lengthBytes:x}");
    }

    /// <summary>Maps pages that are in the shared memory file already (UFFDIO_CONTINUE).</summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    /// <param name="mappedBytes">Bytes mapped from the start of the range, whatever the outcome.</param>
    public UserfaultfdOutcome Continue(ulong address, ulong lengthBytes, out long mappedBytes) =>
        ChangePages(RequestContinue, "UFFDIO_CONTINUE", address, lengthBytes, out mappedBytes);

    /// <summary>
    /// Places missing pages with their contents and wakes who waits for them (UFFDIO_COPY). A page is whole before anybody sees it.
    /// </summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="contents">The contents, a multiple of the page size, from this process.</param>
    /// <param name="copiedBytes">Bytes placed from the start of the range, whatever the outcome.</param>
    public unsafe UserfaultfdOutcome Copy(ulong address, ReadOnlySpan<byte> contents, out long copiedBytes)
    {
        // SAFETY: as in Register; the contents are pinned for the call, which only reads them.
        fixed (byte* source = contents)
        {
            var argument = new CopyArgument { Destination = address, Source = (ulong)source, Length = (ulong)contents.Length };
            if (Control(handle, RequestCopy, &argument) == 0)
            {
                copiedBytes = contents.Length;
                return UserfaultfdOutcome.Done;
            }

            int errno = Marshal.GetLastPInvokeError();
            copiedBytes = Math.Max(argument.Copied, 0);
            return errno switch
            {
                Errno.EAGAIN => UserfaultfdOutcome.Again,
                Errno.EEXIST => UserfaultfdOutcome.Exists,
                _ => throw PageFailure(errno, "UFFDIO_COPY", address, (ulong)contents.Length),
            };
        }
    }

    /// <summary>Places missing pages as zeros and wakes who waits for them (UFFDIO_ZEROPAGE).</summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    /// <param name="placedBytes">Bytes placed from the start of the range, whatever the outcome.</param>
    public UserfaultfdOutcome ZeroPages(ulong address, ulong lengthBytes, out long placedBytes) =>
        ChangePages(RequestZeroPage, "UFFDIO_ZEROPAGE", address, lengthBytes, out placedBytes);

    /// <summary>Marks empty pages as having an uncorrectable memory error (UFFDIO_POISON).</summary>
    /// <param name="address">First address, page-aligned.</param>
    /// <param name="lengthBytes">Length in bytes, page-aligned.</param>
    /// <param name="markedBytes">Bytes marked from the start of the range, whatever the outcome.</param>
    public UserfaultfdOutcome Poison(ulong address, ulong lengthBytes, out long markedBytes) =>
        ChangePages(RequestPoison, "UFFDIO_POISON", address, lengthBytes, out markedBytes);

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private static int CreationFlags(bool kernelModeFaults) => CloseOnExec | NonBlocking | (kernelModeFaults ? 0 : UserModeOnly);

    private static int CallNumber => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => CallUserfaultfdX64,
        Architecture.Arm64 => CallUserfaultfdArm64,
        _ => throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, "userfaultfd is supported on x86-64 and arm64 only."),
    };

    private static string RegisterCall(ulong address, ulong lengthBytes, UserfaultfdModes modes) =>
        $"UFFDIO_REGISTER, 0x{address:x}+0x{lengthBytes:x}, {modes}";

    private static (SafeFileHandle Taken, int Inside) TakeOut(Ptrace stopped, PidFd target, bool kernelModeFaults, bool stayOpenInside)
    {
        long descriptor = stopped.Call(CallUserfaultfdX64, (ulong)CreationFlags(kernelModeFaults));
        if (descriptor < 0)
        {
            throw Errno.Failure(
                (int)-descriptor, "userfaultfd", $"flags 0x{CreationFlags(kernelModeFaults):x}, injected into process {target.ProcessId}");
        }

        bool stays = false;
        try
        {
            SafeFileHandle taken = target.GetFd((int)descriptor);
            stays = stayOpenInside;
            return (taken, stays ? (int)descriptor : -1);
        }
        finally
        {
            // close(2) of a valid descriptor frees it whatever it returns.
            if (!stays) stopped.Call(CallCloseX64, (ulong)descriptor);
        }
    }

    private static unsafe Userfaultfd Negotiate(SafeFileHandle handle, UserfaultfdFeatures features)
    {
        var argument = new ApiArgument { Api = ApiVersion, Features = (ulong)features };
        // SAFETY: as in Register.
        if (Control(handle, RequestApi, &argument) == 0) return new(handle, (UserfaultfdFeatures)argument.Features);
        MigrationException failure = Marshal.GetLastPInvokeError() == Errno.EINVAL
            ? new SystemCallException(
                Errno.EINVAL, MigrationErrorReason.PrerequisiteMissing, $"This kernel's userfaultfd lacks some of {features}.",
                "Use Linux 6.7 or later.")
            : Errno.LastFailure("ioctl", $"UFFDIO_API, {features}");
        handle.Dispose();
        throw failure;
    }

    private unsafe UserfaultfdOutcome ChangePages(uint request, string name, ulong address, ulong lengthBytes, out long changedBytes)
    {
        var argument = new PagesArgument { Start = address, Length = lengthBytes };
        // SAFETY: as in Register. UFFDIO_CONTINUE, UFFDIO_ZEROPAGE and UFFDIO_POISON share their layout.
        if (Control(handle, request, &argument) == 0)
        {
            changedBytes = (long)lengthBytes;
            return UserfaultfdOutcome.Done;
        }

        int errno = Marshal.GetLastPInvokeError();
        // The kernel leaves the count of a part done, or the negative error number.
        changedBytes = Math.Max(argument.Changed, 0);
        return errno switch
        {
            Errno.EAGAIN => UserfaultfdOutcome.Again,
            Errno.EEXIST => UserfaultfdOutcome.Exists,
            Errno.EFAULT => UserfaultfdOutcome.NotInFile,
            _ => throw PageFailure(errno, name, address, lengthBytes),
        };
    }

    private static SystemCallException PageFailure(int errno, string name, ulong address, ulong lengthBytes) => errno == Errno.ESRCH
        ? new(errno, MigrationErrorReason.VmExited, $"{name} at 0x{address:x}: the process ended.")
        : Errno.Failure(errno, "ioctl", $"{name}, 0x{address:x}+0x{lengthBytes:x}");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int Control(SafeFileHandle file, nuint request, void* argument);

    [StructLayout(LayoutKind.Sequential)]
    internal struct ApiArgument
    {
        public ulong Api;
        public ulong Features;
        public ulong Ioctls;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct RangeArgument
    {
        public ulong Start;
        public ulong Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct RegisterArgument
    {
        public ulong Start;
        public ulong Length;
        public ulong Mode;
        public ulong Ioctls;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct WriteProtectArgument
    {
        public ulong Start;
        public ulong Length;
        public ulong Mode;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct PagesArgument
    {
        public ulong Start;
        public ulong Length;
        public ulong Mode;
        public long Changed;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CopyArgument
    {
        public ulong Destination;
        public ulong Source;
        public ulong Length;
        public ulong Mode;
        public long Copied;
    }
}
