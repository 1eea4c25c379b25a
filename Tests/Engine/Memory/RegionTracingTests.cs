using CsCheck;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

public class RegionTracingTests
{
    private const int Pages = 512;

    private static readonly TraceCosts costs = new(
        TimeSpan.FromMicroseconds(30), TimeSpan.FromMicroseconds(1), TimeSpan.FromMicroseconds(4));

    private static readonly RegionState fine = new(Fine: true, Trust: 0, TrustLeft: 0);

    [Fact]
    public void Region_written_for_the_first_time_is_refined() => Assert.True(RegionTracing.AfterCoarseWrite(default).Fine);

    [Fact]
    public void Region_with_few_written_pages_stays_fine() => Assert.Equal(fine, RegionTracing.AfterFinePass(fine, 8, Pages, costs));

    [Fact]
    public void Region_whose_pages_are_all_written_is_coarsened() =>
        Assert.False(RegionTracing.AfterFinePass(fine, Pages, Pages, costs).Fine);

    [Fact]
    public void Fault_by_the_engine_that_costs_more_than_all_pages_coarsens_nothing() => Assert.True(
        RegionTracing.AfterFinePass(fine, Pages, Pages, costs with { SyncFault = TimeSpan.FromMilliseconds(1) }).Fine);

    [Fact]
    public void Dense_region_is_looked_at_anew_ever_more_rarely()
    {
        RegionState state = fine;
        List<int> gaps = [];
        for (int look = 0; look < 6; look++)
        {
            state = RegionTracing.AfterFinePass(state, Pages, Pages, costs);
            int passes = 0;
            while (!state.Fine)
            {
                state = RegionTracing.AfterCoarseWrite(state);
                passes++;
            }

            gaps.Add(passes - 1);
        }

        Assert.Equal([8, 16, 32, 64, 64, 64], gaps);
    }

    [Fact]
    public void Dense_region_that_was_found_sparse_starts_to_be_trusted_anew()
    {
        RegionState state = RegionTracing.AfterFinePass(new(Fine: true, Trust: 64, TrustLeft: 0), 1, Pages, costs);
        Assert.Equal(RegionTracing.FirstTrust, RegionTracing.AfterFinePass(state, Pages, Pages, costs).TrustLeft);
    }

    [Fact]
    public void Whatever_the_costs_the_cheaper_way_is_taken() =>
        Gen.Select(Gen.Int[1, Pages], Gen.Int[0, 10_000], Gen.Int[1, 1000], Gen.Int[0, 1000], Gen.Int[0, 1000]).Sample(
            (written, sync, async, needless, lifted) =>
            {
                var given = new TraceCosts(
                    TimeSpan.FromTicks(sync), TimeSpan.FromTicks(async), TimeSpan.FromTicks(needless), TimeSpan.FromTicks(lifted));
                bool coarse = !RegionTracing.AfterFinePass(fine, written, Pages, given).Fine;
                return coarse == ((long)async * written > sync + ((long)lifted * (written - 1)) + ((long)needless * (Pages - written)));
            });

    [Fact]
    public void Memory_starts_coarse_where_one_fault_spares_those_of_a_quarter_of_the_pages() =>
        Assert.True(RegionTracing.StartsCoarse(Pages, costs));

    [Fact]
    public void Memory_starts_fine_where_one_fault_by_the_engine_costs_more_than_a_quarter_of_the_pages() =>
        Assert.False(RegionTracing.StartsCoarse(Pages, costs with { SyncFault = TimeSpan.FromMicroseconds(129) }));

    [Fact]
    public void Memory_starts_fine_and_stays_so_where_pages_fault_once_more_after_lifting()
    {
        TraceCosts shared = costs with { LiftedPage = costs.AsyncFault };
        Assert.False(RegionTracing.StartsCoarse(Pages, shared));
        Assert.True(RegionTracing.AfterFinePass(fine, Pages, Pages, shared).Fine);
    }
}
