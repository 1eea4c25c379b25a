using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class AbiTests
{
    private const uint None = 0;
    private const uint Write = 1;
    private const uint Read = 2;

    [Fact]
    public void Userfaultfd_requests_follow_from_their_structures()
    {
        const uint type = 0xaa;
        Assert.Equal(Userfaultfd.RequestApi, Number(Read | Write, type, 0x3f, Unsafe.SizeOf<Userfaultfd.ApiArgument>()));
        Assert.Equal(Userfaultfd.RequestRegister, Number(Read | Write, type, 0x00, Unsafe.SizeOf<Userfaultfd.RegisterArgument>()));
        Assert.Equal(Userfaultfd.RequestUnregister, Number(Read, type, 0x01, Unsafe.SizeOf<Userfaultfd.RangeArgument>()));
        Assert.Equal(Userfaultfd.RequestWake, Number(Read, type, 0x02, Unsafe.SizeOf<Userfaultfd.RangeArgument>()));
        Assert.Equal(Userfaultfd.RequestWriteProtect, Number(Read | Write, type, 0x06, Unsafe.SizeOf<Userfaultfd.WriteProtectArgument>()));
        Assert.Equal(Userfaultfd.RequestContinue, Number(Read | Write, type, 0x07, Unsafe.SizeOf<Userfaultfd.PagesArgument>()));
        Assert.Equal(Userfaultfd.RequestPoison, Number(Read | Write, type, 0x08, Unsafe.SizeOf<Userfaultfd.PagesArgument>()));
    }

    [Fact]
    public void Page_fault_messages_have_the_layout_of_uffd_msg()
    {
        Assert.Equal(32, Unsafe.SizeOf<PageFault>());
        byte[] message = new byte[32];
        message[0] = PageFault.PageFaultEvent;
        BitConverter.TryWriteBytes(message.AsSpan(8), 3UL);
        BitConverter.TryWriteBytes(message.AsSpan(16), 0x7f00_1234_5000UL);
        PageFault fault = MemoryMarshal.Read<PageFault>(message);
        Assert.Equal(PageFault.PageFaultEvent, fault.EventType);
        Assert.Equal(PageFaultKinds.Write | PageFaultKinds.WriteProtected, fault.Kinds);
        Assert.Equal(0x7f00_1234_5000UL, fault.Address);
    }

    [Fact]
    public void Pagemap_scan_request_follows_from_its_structure()
    {
        Assert.Equal(96, Unsafe.SizeOf<PagemapScan.ScanArgument>());
        Assert.Equal(24, Unsafe.SizeOf<PageRegion>());
        Assert.Equal(PagemapScan.RequestScan, Number(Read | Write, 'f', 16, Unsafe.SizeOf<PagemapScan.ScanArgument>()));
    }

    [Fact]
    public void Kvm_requests_follow_from_their_structures()
    {
        const uint type = 0xae;
        Assert.Equal(KvmTrial.GetApiVersion, Number(None, type, 0x00, 0));
        Assert.Equal(KvmTrial.CreateVm, Number(None, type, 0x01, 0));
        Assert.Equal(KvmTrial.GetVcpuMappingSize, Number(None, type, 0x04, 0));
        Assert.Equal(KvmTrial.CreateVcpu, Number(None, type, 0x41, 0));
        Assert.Equal(KvmTrial.SetTssAddress, Number(None, type, 0x47, 0));
        Assert.Equal(KvmTrial.Run, Number(None, type, 0x80, 0));
        Assert.Equal(KvmTrial.SetUserMemoryRegion, Number(Write, type, 0x46, Unsafe.SizeOf<KvmTrial.MemoryRegion>()));
        // 18 words of struct kvm_regs; 8 segments of 24, 2 tables of 16, 7 words and 4 words of bitmap of struct kvm_sregs.
        Assert.Equal(KvmTrial.RegistersBytes, 18 * 8);
        Assert.Equal(KvmTrial.SpecialRegistersBytes, 8 * 24 + 2 * 16 + 7 * 8 + 4 * 8);
        Assert.Equal(KvmTrial.SetRegisters, Number(Write, type, 0x82, KvmTrial.RegistersBytes));
        Assert.Equal(KvmTrial.GetSpecialRegisters, Number(Read, type, 0x83, KvmTrial.SpecialRegistersBytes));
        Assert.Equal(KvmTrial.SetSpecialRegisters, Number(Write, type, 0x84, KvmTrial.SpecialRegistersBytes));
    }

    [Fact]
    public void Ptrace_registers_are_the_27_words_of_user_regs_struct()
    {
        Assert.Equal(27 * 8, Unsafe.SizeOf<PtraceRegisters>());
        Assert.Equal(15 * 8, (int)Marshal.OffsetOf<PtraceRegisters>(nameof(PtraceRegisters.OriginalRax)));
        Assert.Equal(16 * 8, (int)Marshal.OffsetOf<PtraceRegisters>(nameof(PtraceRegisters.Rip)));
        Assert.Equal(17 * 8, (int)Marshal.OffsetOf<PtraceRegisters>(nameof(PtraceRegisters.Cs)));
    }

    /// <summary>_IOC of asm-generic/ioctl.h.</summary>
    private static uint Number(uint direction, uint type, uint number, int sizeBytes) =>
        direction << 30 | (uint)sizeBytes << 16 | type << 8 | number;
}
