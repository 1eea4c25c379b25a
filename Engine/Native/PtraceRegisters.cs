using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary><c>struct user_regs_struct</c> of x86-64 (sys/user.h): 27 words of 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PtraceRegisters
{
    public ulong R15;
    public ulong R14;
    public ulong R13;
    public ulong R12;
    public ulong Rbp;
    public ulong Rbx;
    public ulong R11;
    public ulong R10;
    public ulong R9;
    public ulong R8;
    public ulong Rax;
    public ulong Rcx;
    public ulong Rdx;
    public ulong Rsi;
    public ulong Rdi;
    public ulong OriginalRax;
    public ulong Rip;
    public ulong Cs;
    public ulong Flags;
    public ulong Rsp;
    public ulong Ss;
    public ulong FsBase;
    public ulong GsBase;
    public ulong Ds;
    public ulong Es;
    public ulong Fs;
    public ulong Gs;

    /// <summary>Places system call arguments in the order of the x86-64 calling convention (syscall(2)); missing ones become 0.</summary>
    public void SetArguments(ReadOnlySpan<ulong> arguments)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(arguments.Length, 6);
        Span<ulong> all = stackalloc ulong[6];
        all.Clear();
        arguments.CopyTo(all);
        (Rdi, Rsi, Rdx, R10, R8, R9) = (all[0], all[1], all[2], all[3], all[4], all[5]);
    }
}
