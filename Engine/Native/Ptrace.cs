using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>
/// Makes another process, which is no child of this one, carry out system calls (ptrace(2)). Its main thread stands still meanwhile,
/// about a millisecond; its other threads run on. x86-64 only.
/// </summary>
/// <remarks>
/// The kernel ties a tracee to one thread of the tracer, so each use runs on a thread of its own; when that thread ends, for whatever
/// reason, the kernel lets the process go. Signals for the process are blocked meanwhile, so that they wait in its own queue and none is
/// lost; a stop (SIGSTOP) is passed on and takes effect afterwards.
/// </remarks>
public sealed partial class Ptrace
{
    private const int Continue = 7;
    private const int SingleStep = 9;
    private const int GetRegisters = 12;
    private const int SetRegisters = 13;
    private const int Detach = 17;
    private const int Seize = 0x4206;
    private const int Interrupt = 0x4207;
    private const int GetSignalMask = 0x420a;
    private const int SetSignalMask = 0x420b;
    private const int EventStop = 128;
    private const int WaitNoHang = 1;
    private const int WaitAll = 0x40000000;
    private const int SignalTrap = 5;
    private const int SignalSystemCall = 31;
    private const int SignalMaskBytes = 8;
    private const ulong NoSystemCall = ulong.MaxValue;
    private const ulong UserCodeSegment64 = 0x33;

    private static readonly TimeSpan StopTimeLimit = TimeSpan.FromSeconds(5);

    private readonly PidFd target;
    private readonly ulong instructionAddress;
    private readonly PtraceRegisters original;

    private Ptrace(PidFd target, ulong instructionAddress, PtraceRegisters original)
    {
        this.target = target;
        this.instructionAddress = instructionAddress;
        this.original = original;
    }

    /// <summary>Whether this architecture is supported.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>
    /// Stops the main thread of the process, runs <paramref name="work"/> on a thread of its own, and lets the process go on as it was.
    /// The process must not be a child of this one: the runtime collects its own children and would take the stop away.
    /// </summary>
    /// <param name="target">The process.</param>
    /// <param name="work">Calls <see cref="Call"/>; keep it short, the process waits.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.AccessDenied"/> without the right to trace the process or where something else traces it;
    /// <see cref="MigrationErrorReason.VmExited"/> where it ends meanwhile; <see cref="MigrationErrorReason.TimedOut"/> where it does not
    /// stop within five seconds; <see cref="MigrationErrorReason.PrerequisiteMissing"/> where the architecture is not supported.
    /// </exception>
    public static T WhileStopped<T>(PidFd target, Func<Ptrace, T> work)
    {
        if (!IsSupported)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, "System calls can be injected on Linux x86-64 only.",
                "Let the hypervisor's own migration move this VM.");
        }

        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = Run(target, work);
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        })
        { IsBackground = true, Name = $"ptrace {target.ProcessId}" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <summary>Makes the stopped process carry out one system call.</summary>
    /// <param name="number">Number of the call on x86-64.</param>
    /// <param name="arguments">Up to six.</param>
    /// <returns>What the kernel returned: a value, or the negative error number from −4095 to −1.</returns>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.AccessDenied"/> where a seccomp filter of the process traps the call.
    /// </exception>
    public long Call(int number, params ReadOnlySpan<ulong> arguments)
    {
        PtraceRegisters registers = original;
        registers.Rip = instructionAddress;
        registers.Rax = (ulong)number;
        // Keeps the kernel from restarting the interrupted call here; the original registers bring that back afterwards.
        registers.OriginalRax = NoSystemCall;
        registers.SetArguments(arguments);
        Write(SetRegisters, ref registers);

        // A stop signal cannot be blocked: it is passed on, shows once more as a group stop, and stays in effect behind the step.
        for (int signal = 0; ;)
        {
            Request(SingleStep, signal);
            int status = WaitForStop();
            int stopSignal = (status >> 8) & 0xff;
            if (status >> 16 == EventStop)
            {
                signal = 0;
                continue;
            }

            PtraceRegisters now = Read();
            bool executed = now.Rip == instructionAddress + 2;
            if (executed && stopSignal == SignalTrap) return (long)now.Rax;
            if (executed && stopSignal == SignalSystemCall)
            {
                throw new MigrationException(
                    MigrationErrorReason.AccessDenied, $"The seccomp filter of process {target.ProcessId} traps system call {number}.",
                    "Start the VM without that filter, or let the hypervisor's own migration move it.");
            }

            signal = stopSignal;
        }
    }

    private static unsafe T Run<T>(PidFd target, Func<Ptrace, T> work)
    {
        int processId = target.ProcessId;
        int seizeErrno = Trace(Seize, processId, 0, null) < 0 ? Marshal.GetLastPInvokeError() : 0;
        // A process that has ended and waits to be collected is refused with EPERM, like one without the right to it.
        if (target.HasExited) throw Gone(processId);
        if (seizeErrno != 0) throw SeizeFailure(processId, seizeErrno);
        if (Trace(Interrupt, processId, 0, null) < 0) throw Failure(processId, "PTRACE_INTERRUPT");
        WaitForFirstStop(processId);

        PtraceRegisters original;
        ulong mask;
        if (Trace(GetRegisters, processId, 0, &original) < 0) throw Failure(processId, "PTRACE_GETREGS");
        if (Trace(GetSignalMask, processId, SignalMaskBytes, &mask) < 0) throw Failure(processId, "PTRACE_GETSIGMASK");
        try
        {
            if (original.Cs != UserCodeSegment64)
            {
                throw new MigrationException(
                    MigrationErrorReason.PrerequisiteMissing, $"Process {processId} runs 32-bit code; only 64-bit processes are supported.");
            }

            // The step itself reports SIGTRAP, which therefore stays unblocked.
            ulong blocked = ~(1UL << (SignalTrap - 1));
            if (Trace(SetSignalMask, processId, SignalMaskBytes, &blocked) < 0) throw Failure(processId, "PTRACE_SETSIGMASK");
            return work(new Ptrace(target, VdsoCode.FindSystemCallInstruction(processId), original));
        }
        finally
        {
            Restore(processId, &original, &mask);
        }
    }

    private static unsafe void Restore(int processId, PtraceRegisters* registers, ulong* mask)
    {
        bool restored = Trace(SetRegisters, processId, 0, registers) == 0
            && Trace(SetSignalMask, processId, SignalMaskBytes, mask) == 0
            && Trace(Detach, processId, 0, null) == 0;
        if (restored) return;
        int errno = Marshal.GetLastPInvokeError();
        // ESRCH: the process ended; there is nothing left to restore.
        if (errno != Errno.ESRCH) throw Errno.Failure(errno, "ptrace", $"restoring and detaching process {processId}");
    }

    private static void WaitForFirstStop(int processId)
    {
        long start = Environment.TickCount64;
        var spin = new SpinWait();
        while (true)
        {
            int waited = WaitPid(processId, out int status, WaitAll | WaitNoHang);
            if (waited == processId)
            {
                if (!IsStop(status)) throw Gone(processId);
                if (status >> 16 == EventStop) return;

                // A signal came first: pass it on; the interrupt follows.
                Pass(processId, (status >> 8) & 0xff);
            }
            else if (waited < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw Failure(processId, "waitpid");
            }

            if (Environment.TickCount64 - start > StopTimeLimit.TotalMilliseconds)
            {
                throw new MigrationException(
                    MigrationErrorReason.TimedOut, $"Process {processId} did not stop within {StopTimeLimit.TotalSeconds} s.",
                    "See whether it is frozen or waits for a device (state D or a freezer control group).");
            }

            spin.SpinOnce();
        }
    }

    private int WaitForStop()
    {
        int status;
        while (WaitPid(target.ProcessId, out status, WaitAll) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR) throw Failure(target.ProcessId, "waitpid");
        }

        return IsStop(status) ? status : throw Gone(target.ProcessId);
    }

    private static unsafe void Pass(int processId, int signal)
    {
        if (Trace(Continue, processId, 0, (void*)signal) < 0) throw Failure(processId, "PTRACE_CONT");
    }

    private unsafe void Request(int request, int signal)
    {
        if (Trace(request, target.ProcessId, 0, (void*)signal) < 0) throw Failure(target.ProcessId, "PTRACE_SINGLESTEP");
    }

    private unsafe void Write(int request, ref PtraceRegisters registers)
    {
        // SAFETY: the structure has the kernel's layout (a test checks its size) and is pinned for the call.
        fixed (PtraceRegisters* pointer = &registers)
        {
            if (Trace(request, target.ProcessId, 0, pointer) < 0) throw Failure(target.ProcessId, "PTRACE_SETREGS");
        }
    }

    private unsafe PtraceRegisters Read()
    {
        PtraceRegisters registers;
        if (Trace(GetRegisters, target.ProcessId, 0, &registers) < 0) throw Failure(target.ProcessId, "PTRACE_GETREGS");
        return registers;
    }

    private static bool IsStop(int status) => (status & 0xff) == 0x7f;

    private static MigrationException Gone(int processId) =>
        new(MigrationErrorReason.VmExited, $"Process {processId} ended while it was being traced.");

    private static MigrationException Failure(int processId, string request)
    {
        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.ESRCH or Errno.ECHILD ? Gone(processId) : Errno.Failure(errno, "ptrace", $"{request}, process {processId}");
    }

    private static SystemCallException SeizeFailure(int processId, int errno) => errno switch
    {
        Errno.ESRCH => new(errno, MigrationErrorReason.VmExited, $"Process {processId} does not exist."),
        Errno.EPERM => new(
            errno, MigrationErrorReason.AccessDenied,
            $"Process {processId} may not be traced: the right is missing, or a debugger holds it already.",
            "Run as root (CAP_SYS_PTRACE) and detach any debugger; see also kernel.yama.ptrace_scope."),
        _ => Errno.Failure(errno, "ptrace", $"PTRACE_SEIZE, process {processId}"),
    };

    [LibraryImport("libc", EntryPoint = "ptrace", SetLastError = true)]
    private static unsafe partial nint Trace(nint request, int processId, nint address, void* data);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitPid(int processId, out int status, int options);
}
