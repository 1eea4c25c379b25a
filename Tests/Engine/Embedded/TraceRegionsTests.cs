using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class TraceRegionsTests
{
    [Fact]
    public void Every_region_starts_whole_and_is_refined_once_it_was_written()
    {
        var regions = new TraceRegions(3);
        Assert.Equal((0, 3), (regions.FineCount, regions.WholeCount));
        regions.Collected(1, TraceRegions.PagesPerRegion);
        Assert.Equal((false, true, false), (regions.IsFine(0), regions.IsFine(1), regions.IsFine(2)));
        Assert.Equal((1, 2), (regions.FineCount, regions.WholeCount));
    }

    [Fact]
    public void A_sparsely_written_region_stays_refined()
    {
        var regions = new TraceRegions(1);
        regions.Collected(0, TraceRegions.PagesPerRegion);
        for (int i = 0; i < 1000; i++)
        {
            regions.Collected(0, 1 + (i % (TraceRegions.DensePages - 1)));
            Assert.True(regions.IsFine(0));
        }
    }

    [Fact]
    public void A_densely_written_region_is_lifted_whole_and_tried_again_ever_more_seldom_but_always_again()
    {
        var regions = new TraceRegions(1);
        var tries = new List<int>();
        for (int i = 0; i < 1000; i++)
        {
            if (regions.IsFine(0)) tries.Add(i);
            regions.Collected(0, TraceRegions.PagesPerRegion);
        }

        int[] gaps = [.. tries.Zip(tries.Skip(1), (earlier, later) => later - earlier)];
        Assert.Equal(1, tries[0]);
        Assert.Equal([10, 18, 34, 66], gaps[..4]);
        Assert.All(gaps[4..], gap => Assert.Equal(66, gap));
    }

    [Fact]
    public void A_region_that_turns_sparse_is_refined_at_the_next_try_and_its_past_is_forgotten()
    {
        var regions = new TraceRegions(1);
        for (int i = 0; i < 200; i++) regions.Collected(0, TraceRegions.PagesPerRegion);
        while (!regions.IsFine(0)) regions.Collected(0, TraceRegions.PagesPerRegion);
        regions.Collected(0, 3);
        Assert.True(regions.IsFine(0));

        regions.Collected(0, TraceRegions.DensePages);
        int waited = 0;
        for (; !regions.IsFine(0); waited++) regions.Collected(0, TraceRegions.PagesPerRegion);
        Assert.Equal(9, waited);
    }
}
