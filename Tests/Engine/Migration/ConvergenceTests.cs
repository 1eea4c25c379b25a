using CsCheck;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Migration;

public class ConvergenceTests
{
    private const long MiB = 1 << 20;

    private static readonly MigrationOptions limits = new()
    {
        DowntimeLimit = TimeSpan.FromMilliseconds(100),
        MaxPasses = 10,
        MinVcpuShare = 0.2,
    };

    [Fact]
    public void A_rest_that_fits_and_no_longer_shrinks_switches_over() =>
        Assert.Equal(ConvergenceAction.SwitchOver, Decide(pass: 3, sent: 50 * MiB, remaining: 48 * MiB, bytesPerSecond: 1e9).Action);

    [Fact]
    public void A_rest_that_fits_but_still_shrinks_is_worth_another_pass() =>
        Assert.Equal(ConvergenceAction.Continue, Decide(pass: 1, sent: 400 * MiB, remaining: 48 * MiB, bytesPerSecond: 1e9).Action);

    [Fact]
    public void A_small_rest_is_not_worth_another_pass() =>
        Assert.Equal(ConvergenceAction.SwitchOver, Decide(pass: 1, sent: 400 * MiB, remaining: MiB / 2, bytesPerSecond: 1e9).Action);

    [Fact]
    public void A_guest_that_writes_as_fast_as_the_link_is_slowed_down_step_by_step_to_its_limit()
    {
        double share = 1;
        for (int pass = 1; pass < 5; pass++)
        {
            ConvergenceDecision decision = Convergence.Decide(new(pass, 500 * MiB, 500 * MiB, 1e8, share), limits);
            Assert.True(decision.VcpuShare >= limits.MinVcpuShare && decision.VcpuShare <= share);
            share = decision.VcpuShare;
        }

        Assert.Equal(limits.MinVcpuShare, share);
    }

    [Fact]
    public void When_the_passes_are_used_up_it_gives_up() =>
        Assert.Equal(ConvergenceAction.GiveUp, Decide(pass: 10, sent: 500 * MiB, remaining: 500 * MiB, bytesPerSecond: 1e8).Action);

    [Fact]
    public void Whatever_the_numbers_it_ends_within_the_allowed_passes_and_keeps_the_share_in_its_bounds() =>
        Gen.Select(Gen.Long[0, 1L << 40], Gen.Long[0, 1L << 40], Gen.Double[1, 1e11], Gen.Double[0.2, 1], Gen.Int[1, 12]).Sample(
            (sent, remaining, bytesPerSecond, share, pass) =>
            {
                ConvergenceDecision decision = Convergence.Decide(new(pass, sent, remaining, bytesPerSecond, share), limits);
                bool ends = decision.Action is ConvergenceAction.SwitchOver or ConvergenceAction.GiveUp;
                return (pass < limits.MaxPasses || ends) && decision.VcpuShare >= limits.MinVcpuShare && decision.VcpuShare <= share;
            });

    private static ConvergenceDecision Decide(int pass, long sent, long remaining, double bytesPerSecond) =>
        Convergence.Decide(new(pass, sent, remaining, bytesPerSecond, 1), limits);
}
