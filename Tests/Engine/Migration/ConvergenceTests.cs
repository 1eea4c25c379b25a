using CsCheck;
using VmMigration.Engine.Memory;
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

    [Fact]
    public void First_writes_are_held_back_before_the_vcpus_lose_time_and_in_steps_that_at_most_double()
    {
        var metrics = new ConvergenceMetrics(1, 500 * MiB, 500 * MiB, 1e8, 1)
        {
            CanDelayFaults = true, Faults = 200, Duration = TimeSpan.FromSeconds(1),
        };
        TimeSpan before = TimeSpan.Zero;
        for (int pass = 1; pass < 9; pass++)
        {
            // The guest comes to its next fault 5 ms after the last was let go.
            TimeSpan interval = TimeSpan.FromMilliseconds(5) + before;
            ConvergenceDecision decision = Convergence.Decide(
                metrics with { Pass = pass, FaultDelay = before, Duration = interval * metrics.Faults }, limits);
            Assert.True(decision.VcpuShare == 1 || decision.FaultDelay == before);
            Assert.InRange(decision.FaultDelay, before, before == TimeSpan.Zero ? FaultBrake.FirstDelay : before * 2);
            before = decision.FaultDelay;
        }

        // A fifth of its rate is what it keeps: 5 ms of its own in 25.
        Assert.Equal(TimeSpan.FromMilliseconds(20), before);
    }

    [Fact]
    public void Where_the_longest_delay_is_not_enough_the_vcpus_lose_time_too()
    {
        ConvergenceDecision decision = Convergence.Decide(SlowFaults() with { FaultDelay = WriteTrace.MaxFaultDelay }, limits);
        Assert.Equal(new(ConvergenceAction.SlowDown, 0.5, WriteTrace.MaxFaultDelay), decision);
    }

    [Fact]
    public void Where_the_faults_that_can_be_held_are_not_those_that_count_the_vcpus_lose_time_too()
    {
        // As with a trace that the kernel resolves page by page where the guest writes most.
        ConvergenceMetrics metrics = SlowFaults() with { FaultDelay = TimeSpan.FromMilliseconds(1), Faults = 5000 };
        double share = 1;
        for (int pass = 4; share > limits.MinVcpuShare; pass++)
        {
            ConvergenceDecision decision = Convergence.Decide(metrics with { Pass = pass, VcpuShare = share }, limits);
            Assert.Equal(ConvergenceAction.SlowDown, decision.Action);
            Assert.True(decision.VcpuShare < share);
            share = decision.VcpuShare;
        }

        Assert.Equal(
            ConvergenceAction.Continue, Convergence.Decide(metrics with { Pass = 9, VcpuShare = limits.MinVcpuShare }, limits).Action);
    }

    [Fact]
    public void Trace_that_lost_its_grip_lets_go_and_the_vcpus_lose_time_instead()
    {
        ConvergenceMetrics lost = SlowFaults() with { CanDelayFaults = false, FaultDelay = TimeSpan.FromMilliseconds(4) };
        Assert.Equal(new(ConvergenceAction.SlowDown, 0.5, TimeSpan.Zero), Convergence.Decide(lost, limits));
    }

    [Fact]
    public void Guest_that_is_never_to_be_slowed_down_is_not_held_back_either()
    {
        ConvergenceDecision decision = Convergence.Decide(SlowFaults(), limits with { MinVcpuShare = 1 });
        Assert.Equal(new(ConvergenceAction.Continue, 1, TimeSpan.Zero), decision);
    }

    [Fact]
    public void Whatever_the_numbers_the_delay_stays_in_its_bounds_and_never_jumps() =>
        Gen.Select(Gen.Long[0, 1L << 20], Gen.Double[0.001, 100], Gen.Double[0, 20], Gen.Double[0.05, 1], Gen.Bool).Sample(
            (faults, seconds, delayMilliseconds, minShare, canDelay) =>
            {
                TimeSpan delay = TimeSpan.FromMilliseconds(delayMilliseconds);
                ConvergenceDecision decision = Convergence.Decide(
                    new(3, 500 * MiB, 500 * MiB, 1e8, 1)
                    {
                        CanDelayFaults = canDelay, Faults = faults, Duration = TimeSpan.FromSeconds(seconds), FaultDelay = delay,
                    },
                    limits with { MinVcpuShare = minShare });
                return canDelay
                    ? decision.FaultDelay <= WriteTrace.MaxFaultDelay && decision.FaultDelay >= delay
                        && decision.FaultDelay <= TimeSpan.FromTicks(Math.Max(delay.Ticks * 2, FaultBrake.FirstDelay.Ticks))
                    : decision.FaultDelay == TimeSpan.Zero;
            });

    private static ConvergenceMetrics SlowFaults() => new(3, 500 * MiB, 500 * MiB, 1e8, 1)
    {
        CanDelayFaults = true, Faults = 10, Duration = TimeSpan.FromSeconds(1),
    };

    private static ConvergenceDecision Decide(int pass, long sent, long remaining, double bytesPerSecond) =>
        Convergence.Decide(new(pass, sent, remaining, bytesPerSecond, 1), limits);
}
