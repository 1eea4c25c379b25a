using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class LargePageUseTests
{
    // Two mappings of one RAM file, split by a userfaultfd registration, one on a hugetlbfs, and strangers around them.
    private static readonly string[] smaps =
    [
        "7effdfe00000-7effe0000000 rw-p 00000000 00:00 0 ",
        "Size:               2048 kB",
        "Rss:                2048 kB",
        "AnonHugePages:      2048 kB",
        "VmFlags: rd wr mr mw me ac sd hg ",
        "7effe0000000-7effe0800000 rw-s 00000000 00:2a 7                          /state/ram-huge/a b.ram",
        "Size:               8192 kB",
        "Rss:                6144 kB",
        "Pss:                6144 kB",
        "AnonHugePages:         0 kB",
        "ShmemPmdMapped:     4096 kB",
        "FilePmdMapped:         0 kB",
        "Shared_Hugetlb:        0 kB",
        "Private_Hugetlb:       0 kB",
        "7effe0800000-7effe0c00000 rw-s 00800000 00:2a 7                          /state/ram-huge/a b.ram",
        "Rss:                2048 kB",
        "ShmemPmdMapped:     2048 kB",
        "7effe1000000-7effe1800000 rw-s 00000000 00:2b 9                          /state/ram-hugetlb/c.ram",
        "Rss:                   0 kB",
        "Shared_Hugetlb:     2048 kB",
        "Private_Hugetlb:    4096 kB",
        "7f0000000000-7f0000001000 r-xp 00000000 00:00 0                          [vdso]",
        "Rss:                   4 kB",
    ];

    [Fact]
    public void Mappings_of_one_block_are_added_up_and_strangers_left_out() => Assert.Equal(
        new LargePageUse.Amount((6144 + 2048) << 10, (4096 + 2048) << 10), LargePageUse.Parse(smaps, 0x7effe0000000, 0x7effe0c00000));

    [Fact]
    public void Hugetlb_pages_count_as_mapped_and_large() => Assert.Equal(
        new LargePageUse.Amount(6144 << 10, 6144 << 10), LargePageUse.Parse(smaps, 0x7effe1000000, 0x7effe1800000));

    [Fact]
    public void An_address_nothing_is_mapped_at_has_nothing() =>
        Assert.Equal(default, LargePageUse.Parse(smaps, 0x7effe0c00000, 0x7effe1000000));

    [Fact]
    public void A_process_that_is_gone_is_named()
    {
        int gone;
        using (ForeignProcess process = ForeignProcess.Sleeping())
        {
            gone = process.Id;
            process.PidFd.SendSignal(PidFd.SignalKill);
            Eventually.Holds(() => !Directory.Exists($"/proc/{process.Id}"));
        }

        Assert.Equal(MigrationErrorReason.VmExited, Assert.Throws<MigrationException>(() => LargePageUse.Read(gone, 0, 1)).Reason);
    }
}
