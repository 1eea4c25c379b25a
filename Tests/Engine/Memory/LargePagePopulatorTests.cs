using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class LargePagePopulatorTests
{
    private const int Region = HugeRamFile.RegionBytes;
    private const int Page = GuestMemory.PageSizeBytes;

    [Fact]
    public void One_page_of_data_maps_its_whole_region_by_one_entry_and_holes_stay_holes()
    {
        using var ram = new HugeRamFile(regions: 16);
        byte[] page = Filled();
        ram.Engine.Write(0, page);
        ram.Engine.Write((5 * Region) + (77 * Page), page);
        ram.Engine.Write((16 * Region) - Page, page);

        LargePagePopulator populator = ram.Populator();
        populator.Populate(0, Page);
        populator.Populate((5 * Region) + (77 * Page), Page);
        populator.Populate((16 * Region) - Page, Page);
        populator.Dispose();

        Assert.Equal(new(3 * Region, 3 * Region), ram.Use);
        Assert.Equal(3 * 512, populator.Statistics.Pages);
        Assert.True(ram.Guest.Slice((5 * Region) + (77 * Page), Page).SequenceEqual(page));
    }

    [Fact]
    public void Many_threads_map_neighbours_once_each()
    {
        using var ram = new HugeRamFile(regions: 64);
        byte[] page = Filled();
        LargePagePopulator populator = ram.Populator();
        Parallel.For(0, 64 * 4, new ParallelOptions { MaxDegreeOfParallelism = 8 }, part =>
        {
            ram.Engine.Write((long)part * (Region / 4), page);
            populator.Populate((long)part * (Region / 4), Page);
        });
        populator.Dispose();

        Assert.Equal(new(64 * Region, 64 * Region), ram.Use);
        Assert.Equal(64 * 512, populator.Statistics.Pages);
    }

    [Fact]
    public void A_region_that_cannot_be_mapped_whole_is_mapped_page_by_page()
    {
        if (!KernelFeatures.Probe().Poison) Assert.Skip("This kernel has no UFFDIO_POISON (Linux 6.6).");
        using var ram = new HugeRamFile(regions: 2);
        byte[] page = Filled();
        for (int i = 0; i < 1024; i++) ram.Engine.Write(i * Page, page);

        // The kernel maps nothing whole that holds a mark; single pages it maps over the mark, which is why pages are marked after
        // population.
        ulong poisoned = ram.Address + (100 * Page);
        using (Userfaultfd marking = Userfaultfd.Create(UserfaultfdFeatures.Poison | UserfaultfdFeatures.MinorShmem))
        {
            marking.Register(poisoned, Page, UserfaultfdModes.Minor);
            Assert.Equal(UserfaultfdOutcome.Done, marking.Poison(poisoned, Page, out _));
            marking.Unregister(poisoned, Page);
        }

        LargePagePopulator populator = ram.Populator();
        populator.Populate(0, 2 * Region);
        populator.Dispose();

        Assert.Equal(new(2 * Region, Region), ram.Use);
        Assert.Equal(1024, populator.Statistics.Pages);
    }

    [Fact]
    public void Zeros_are_wanted_until_the_region_is_mapped()
    {
        using var ram = new HugeRamFile(regions: 2);
        using LargePagePopulator populator = ram.Populator();
        Assert.True(populator.WantsZeros(Page));
        ram.Engine.Write(Page, new byte[Page]);
        populator.Populate(Page, Page);
        Assert.False(populator.WantsZeros(Region - Page));
        Assert.True(populator.WantsZeros(Region));
        populator.Dispose();
        Assert.Equal(new(Region, Region), ram.Use);
    }

    [Fact]
    public void A_range_outside_the_memory_is_refused()
    {
        using var ram = new HugeRamFile(regions: 1);
        using LargePagePopulator populator = ram.Populator();
        Assert.Equal(
            MigrationErrorReason.InvalidArgument,
            Assert.Throws<MigrationException>(() => populator.Populate(Region - Page, 2 * Page)).Reason);
        Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(() => populator.Populate(-Page, Page)).Reason);
    }

    [Fact]
    public void Memory_that_does_not_begin_with_a_large_page_is_refused()
    {
        using var ram = new HugeRamFile(regions: 1);
        var refused = Assert.Throws<MigrationException>(() => new LargePagePopulator(null!, ram.Self, ram.Address + Page, Region));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    private static byte[] Filled()
    {
        byte[] page = new byte[Page];
        page.AsSpan().Fill(0x5a);
        return page;
    }
}
