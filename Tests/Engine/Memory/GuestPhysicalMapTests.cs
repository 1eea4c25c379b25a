using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class GuestPhysicalMapTests
{
    private const long GiB = 1L << 30;

    // 4 GiB of a q35 machine of QEMU 7.2: the upper 2 GiB are behind the hole. Its BIOS is shadowed in RAM that is read-only.
    private const string Tree = """
        FlatView #0
         AS "I/O", root: io
         Root memory region: io
          0000000000000000-0000000000000007 (prio 0, i/o): dma-chan
          0000000000001000-0000000000001fff (prio 0, ram): ram

        FlatView #1
         AS "memory", root: system
         AS "cpu-memory-0", root: system
         Root memory region: system
          0000000000000000-000000000009ffff (prio 0, ram): ram KVM
          00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem
          00000000000c0000-00000000000dffff (prio 1, rom): pc.rom
          00000000000e0000-00000000000fffff (prio 1, rom): ram @00000000000e0000 KVM
          0000000000100000-000000007fffffff (prio 0, ram): ram @0000000000100000 KVM
          00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram
          00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi
          0000000100000000-000000017fffffff (prio 0, ram): ram @0000000080000000 KVM

        FlatView #2
         AS "cpu-smm-0", root: memory
         Root memory region: memory
          0000000000000000-000000007fffffff (prio 0, ram): ram

        """;

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0x9f123, 0x9f123)]
    [InlineData(0xe0000, 0xe0000)]
    [InlineData(2 * GiB - 1, 2 * GiB - 1)]
    [InlineData(4 * GiB, 2 * GiB)]
    [InlineData(6 * GiB - 4096, 4 * GiB - 4096)]
    public void Addresses_and_offsets_are_found_from_each_other_also_behind_the_hole(long address, long offset)
    {
        GuestPhysicalMap map = QemuMemoryTree.Parse(Tree, "ram");
        Assert.Equal(offset, map.OffsetOf(address));
        Assert.Equal(address, map.AddressOf(offset));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0xa0000)]
    [InlineData(0xc0000)]
    [InlineData(2 * GiB)]
    [InlineData(0xfd000000)]
    [InlineData(0xfee00000)]
    [InlineData(6 * GiB)]
    [InlineData(long.MaxValue)]
    public void An_address_without_RAM_has_no_offset(long address) => Assert.Null(QemuMemoryTree.Parse(Tree, "ram").OffsetOf(address));

    [Fact]
    public void RAM_that_the_guest_does_not_see_has_no_address()
    {
        GuestPhysicalMap map = QemuMemoryTree.Parse(Tree, "ram");
        Assert.Null(map.AddressOf(0xa0000));
        Assert.Null(map.AddressOf(4 * GiB));
    }

    [Fact]
    public void Lines_that_end_as_the_monitor_ends_them_are_read() =>
        Assert.Equal(4, QemuMemoryTree.Parse(Tree.ReplaceLineEndings("\r\n"), "ram").Ranges.Count);

    [Theory]
    [InlineData("pc.ram")]
    [InlineData("")]
    public void A_tree_without_the_backend_is_HypervisorFailed(string name)
    {
        var refused = Assert.Throws<MigrationException>(() => QemuMemoryTree.Parse(Tree, name));
        Assert.Equal(MigrationErrorReason.HypervisorFailed, refused.Reason);
    }

    [Fact]
    public void A_machine_without_a_hole_shows_its_RAM_as_it_is()
    {
        GuestPhysicalMap map = GuestPhysicalMap.Identity(GiB);
        Assert.Equal(GiB - 1, map.OffsetOf(GiB - 1));
        Assert.Null(map.OffsetOf(GiB));
    }
}
