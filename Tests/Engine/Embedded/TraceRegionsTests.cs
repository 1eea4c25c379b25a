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
    public void No_more_regions_are_tried_at_once_than_the_guest_can_bear_the_faults_of_but_always_one()
    {
        var regions = new TraceRegions(10);
        foreach ((double bearable, int fine) in new[] { (3.5 * TraceRegions.PagesPerRegion, 3), (0, 4), (1e9, 10) })
        {
            regions.Begin(bearable);
            for (int region = 0; region < 10; region++) regions.Collected(region, 1);
            Assert.Equal(fine, regions.FineCount);
        }
    }

    [Fact]
    public void Where_all_faults_are_more_than_the_guest_can_bear_the_regions_with_most_of_them_are_lifted_whole()
    {
        var regions = new TraceRegions(4);
        for (int region = 0; region < 4; region++) regions.Collected(region, TraceRegions.PagesPerRegion);
        int[] pages = [100, 10, 90, 20];
        Collect(1000);
        Assert.Equal(4, regions.FineCount);
        Collect(219);
        Assert.Equal((false, true, false, true), (regions.IsFine(0), regions.IsFine(1), regions.IsFine(2), regions.IsFine(3)));
        Collect(219);
        Assert.Equal(2, regions.FineCount);

        void Collect(double bearable)
        {
            regions.Begin(bearable);
            for (int region = 0; region < 4; region++) regions.Collected(region, pages[region]);
        }
    }

    [Fact]
    public void A_guest_bears_a_twentieth_of_its_time_by_what_faults_cost_it_without_a_delay()
    {
        var bearable = new BearableFaults(2, TimeSpan.Zero);
        TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
        Assert.Equal(100_000, bearable.Next(Seconds(1), 0, TimeSpan.Zero, delayed: false), 1.0);
        Assert.Equal(25_000, bearable.Next(Seconds(2), 1000, Seconds(0.004), delayed: false), 1.0);
        Assert.Equal(12_500, bearable.Next(Seconds(2.5), 1100, Seconds(2), delayed: true), 1.0);
        Assert.Equal(2_500, bearable.Next(Seconds(2.6), 1110, Seconds(2), delayed: false), 1.0);
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
