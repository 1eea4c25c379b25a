using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Decides whether /dev/kvm really runs guests, by running one: a page of real-mode code that counts down and halts. A device node
/// says little: where no hardware is underneath, KVM can interpret the guest at about a millionth of the speed.
/// </summary>
public static partial class KvmTrial
{
    internal const uint GetApiVersion = 0xae00;
    internal const uint CreateVm = 0xae01;
    internal const uint GetVcpuMappingSize = 0xae04;
    internal const uint CreateVcpu = 0xae41;
    internal const uint SetUserMemoryRegion = 0x4020ae46;
    internal const uint SetTssAddress = 0xae47;
    internal const uint Run = 0xae80;
    internal const uint SetRegisters = 0x4090ae82;
    internal const uint GetSpecialRegisters = 0x8138ae83;
    internal const uint SetSpecialRegisters = 0x4138ae84;

    internal const int RegistersBytes = 144;
    internal const int SpecialRegistersBytes = 312;

    private const string DevicePath = "/dev/kvm";
    private const int StableApiVersion = 12;
    private const uint TssAddress = 0xfffbd000;
    private const int PageBytes = 4096;
    private const uint GuestPageAddress = 0x1000;
    private const int ExitReasonOffset = 8;
    private const uint ExitHalt = 5;
    private const int RipIndex = 16;
    private const int FlagsIndex = 17;
    private const int CodeSelectorOffset = 12;

    // 10,000 guest instructions: some 10 µs on hardware, 5 to 10 ms where KVM interprets. The best of a few rounds counts, because
    // a round can meet a busy machine.
    private const int LoopIterations = 5_000;
    private const int InstructionsPerIteration = 2;
    private const int Rounds = 4;
    private const double LeastMillionInstructionsPerSecond = 20;

    /// <summary>Runs the trial; takes less than half a second.</summary>
    public static KvmTrialResult Execute() => Execute(DevicePath);

    /// <summary>Runs the trial on another device node.</summary>
    internal static KvmTrialResult Execute(string devicePath)
    {
        long start = Stopwatch.GetTimestamp();
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return new("KVM is tried on x86-64 Linux only.", 0, Stopwatch.GetElapsedTime(start));
        }

        double speed = 0;
        string? obstacle;
        try
        {
            speed = MeasureSpeed(devicePath);
            obstacle = speed >= LeastMillionInstructionsPerSecond
                ? null
                : FormattableString.Invariant(
                    $"KVM interprets guests here instead of running them ({speed:F1} million instructions a second).");
        }
        catch (SystemCallException exception)
        {
            obstacle = exception.ErrorNumber switch
            {
                Errno.ENOENT => $"There is no {devicePath}: the processor's virtualization is off, or the kvm module is not loaded.",
                Errno.EACCES or Errno.EPERM => $"{devicePath} may not be opened: add the account to the group kvm.",
                _ => $"KVM cannot run a guest: {exception.Message}",
            };
        }

        return new(obstacle, speed, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Machine code that decrements ECX until it is 0 and halts, for a processor in real mode.</summary>
    private static ReadOnlySpan<byte> CountdownCode =>
    [
        0x66, 0x49, // dec ecx
        0x75, 0xfc, // jnz back to it
        0xf4, // hlt
    ];

    private static double MeasureSpeed(string devicePath)
    {
        using SafeFileHandle device = OpenFile.ForReadingAndWriting(devicePath);
        int version = Request(device, GetApiVersion, 0, nameof(GetApiVersion));
        if (version != StableApiVersion)
        {
            throw new SystemCallException(
                Errno.EINVAL, MigrationErrorReason.PrerequisiteMissing, $"KVM speaks API version {version}, not {StableApiVersion}.");
        }

        using MemoryMapping page = MemoryMapping.AllocateAnonymous(PageBytes);
        CountdownCode.CopyTo(page.Slice(0, PageBytes));
        using var machine = new SafeFileHandle(Request(device, CreateVm, 0, nameof(CreateVm)), ownsHandle: true);
        // Intel processors need three pages of guest addresses for real mode.
        Request(machine, SetTssAddress, (nuint)TssAddress, nameof(SetTssAddress));
        AddMemory(machine, page);
        using var processor = new SafeFileHandle(Request(machine, CreateVcpu, 0, nameof(CreateVcpu)), ownsHandle: true);
        using MemoryMapping state = MemoryMapping.MapSharedFile(
            processor, Request(device, GetVcpuMappingSize, 0, nameof(GetVcpuMappingSize)));
        StartInRealMode(processor);

        TimeSpan best = TimeSpan.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            TimeSpan elapsed = RunOnce(processor, state);
            if (elapsed < best) best = elapsed;
        }

        return LoopIterations * InstructionsPerIteration / best.TotalMicroseconds;
    }

    private static unsafe void AddMemory(SafeFileHandle machine, MemoryMapping page)
    {
        var region = new MemoryRegion { GuestAddress = GuestPageAddress, SizeBytes = PageBytes, UserAddress = (ulong)page.Address };
        // SAFETY: the structure has the kernel's layout (a test checks size and request number); the page outlives the machine.
        Check(Control(machine, SetUserMemoryRegion, &region), nameof(SetUserMemoryRegion));
    }

    private static unsafe void StartInRealMode(SafeFileHandle processor)
    {
        byte* special = stackalloc byte[SpecialRegistersBytes];
        // SAFETY: the buffer has the size that the request number carries; the code segment comes first in struct kvm_sregs.
        Check(Control(processor, GetSpecialRegisters, special), nameof(GetSpecialRegisters));
        *(ulong*)special = 0;
        *(ushort*)(special + CodeSelectorOffset) = 0;
        Check(Control(processor, SetSpecialRegisters, special), nameof(SetSpecialRegisters));
    }

    private static unsafe TimeSpan RunOnce(SafeFileHandle processor, MemoryMapping state)
    {
        const int rcxIndex = 2;
        const ulong alwaysSetFlag = 2;
        ulong* registers = stackalloc ulong[RegistersBytes / sizeof(ulong)];
        new Span<ulong>(registers, RegistersBytes / sizeof(ulong)).Clear();
        registers[rcxIndex] = LoopIterations;
        registers[RipIndex] = GuestPageAddress;
        registers[FlagsIndex] = alwaysSetFlag;
        // SAFETY: struct kvm_regs is 18 words, as the request number says.
        Check(Control(processor, SetRegisters, registers), nameof(SetRegisters));

        long start = Stopwatch.GetTimestamp();
        while (Control(processor, Run, null) < 0)
        {
            // EINTR: a signal for this thread, the runtime's own among them; the guest goes on where it was.
            if (Marshal.GetLastPInvokeError() != Errno.EINTR) throw Errno.LastFailure("ioctl", "KVM_RUN");
        }

        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        uint reason = MemoryMarshal.Read<uint>(state.Slice(ExitReasonOffset, sizeof(uint)));
        if (reason == ExitHalt) return elapsed;
        throw new SystemCallException(
            0, MigrationErrorReason.SystemCallFailed, $"the trial guest ended with exit reason {reason} instead of its halt.");
    }

    private static int Request(SafeFileHandle file, uint request, nuint argument, string name)
    {
        int result = Control(file, request, argument);
        Check(result, name);
        return result;
    }

    private static void Check(int result, string name)
    {
        if (result < 0) throw Errno.LastFailure("ioctl", $"KVM {name}");
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, nuint request, nuint argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int Control(SafeFileHandle file, nuint request, void* argument);

    /// <summary><c>struct kvm_userspace_memory_region</c> of linux/kvm.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MemoryRegion
    {
        public uint Slot;
        public uint Flags;
        public ulong GuestAddress;
        public ulong SizeBytes;
        public ulong UserAddress;
    }
}
