using CsCheck;
using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;

namespace VmMigration.Engine.Tests.Embedded;

/// <summary>Runs the pace on a made-up clock and a made-up processor, so that its promises are held to the step.</summary>
public sealed class VcpuPaceTests
{
    [Fact]
    public void A_rate_is_kept_whatever_a_step_costs_and_however_long_a_rest_overshoots() =>
        Gen.Select(Gen.Long[1, 2_000_000], Gen.Double[0.05, 1], Gen.Int[1, 200], Gen.Int[0, 900]).Sample(
            (rate, share, nanoseconds, overshoot) =>
            {
                TimeSpan duration = TimeSpan.FromSeconds(5);
                Run run = Simulate(rate, share, nanoseconds, TimeSpan.FromMicroseconds(overshoot), duration);
                double expected = rate * share * duration.TotalSeconds;

                // At most a catch-up's worth above; below only by what the last rest still holds back.
                double ahead = (rate * share * VcpuPace.MaxCatchUp.TotalSeconds) + 1;
                Assert.InRange(run.Steps, Math.Floor((expected * 0.95) - 2), expected + ahead);
            });

    [Fact]
    public void A_share_of_the_time_is_kept_whatever_a_step_costs_and_however_long_a_rest_overshoots() =>
        Gen.Select(Gen.Double[0.01, 1], Gen.Int[1, 50_000], Gen.Int[0, 4000]).Sample((share, nanoseconds, overshoot) =>
        {
            TimeSpan late = TimeSpan.FromMicroseconds(overshoot);
            Run run = Simulate(0, share, nanoseconds, late, TimeSpan.FromSeconds(10));
            Assert.InRange(run.Ran / run.Elapsed, share * 0.95, (share * 1.05) + 0.001);
        });

    [Fact]
    public void A_share_is_dealt_out_smoothly()
    {
        foreach (double share in (double[])[0.05, 0.2, 0.5, 0.8])
        {
            Run run = Simulate(0, share, 20, TimeSpan.FromMicroseconds(60), TimeSpan.FromSeconds(2));
            Assert.InRange(run.LongestRest, VcpuPace.MinRest, TimeSpan.FromMilliseconds(4));
            TimeSpan stretch = (TimeSpan.FromMilliseconds(2.5) * (share / (1 - share))) + (VcpuPace.TargetBatch * 3);
            Assert.InRange(run.LongestStretch, TimeSpan.Zero, stretch);
        }
    }

    [Fact]
    public void The_smallest_share_still_lets_the_guest_go_on()
    {
        Run run = Simulate(0, 1e-12, 20, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.InRange(run.LongestRest, TimeSpan.Zero, VcpuPace.MaxRest);
        Assert.True(run.Batches >= 90);
    }

    [Fact]
    public void Batches_shrink_to_single_steps_while_steps_are_slow_and_grow_again()
    {
        var pace = new VcpuPace(0, 1, TimeSpan.Zero);
        TimeSpan now = TimeSpan.Zero;
        long slow = RunBatches(pace, ref now, 20, 300_000);
        Assert.Equal(1, slow);
        long fast = RunBatches(pace, ref now, 40, 20);
        Assert.InRange(fast * 20, VcpuPace.TargetBatch.TotalNanoseconds / 4, VcpuPace.TargetBatch.TotalNanoseconds);
    }

    [Fact]
    public void A_stall_of_the_machine_is_not_made_up_for_with_a_flood_of_steps()
    {
        var pace = new VcpuPace(100_000, 1, TimeSpan.Zero);
        TimeSpan now = TimeSpan.FromSeconds(60);
        long steps = 0;
        for (long batch; (batch = pace.Next(now, out _)) > 0; steps += batch) pace.Ran(batch, now);
        Assert.InRange(steps, 1, 100_000 * VcpuPace.MaxCatchUp.TotalSeconds);
    }

    [Fact]
    public void A_step_after_a_broken_off_batch_counts_too()
    {
        var pace = new VcpuPace(1000, 1, TimeSpan.Zero);
        TimeSpan now = TimeSpan.FromMilliseconds(5.5);
        Assert.Equal(5, pace.Next(now, out _));
        pace.Ran(2, now);
        pace.RanOneMore();
        Assert.Equal(2, pace.Next(now, out _));
    }

    private static long RunBatches(VcpuPace pace, ref TimeSpan now, int count, double stepNanoseconds)
    {
        long steps = 0;
        for (int i = 0; i < count; i++)
        {
            steps = pace.Next(now, out _);
            now += Cost(steps, stepNanoseconds);
            pace.Ran(steps, now);
        }

        return steps;
    }

    private static TimeSpan Cost(long steps, double stepNanoseconds) =>
        TimeSpan.FromTicks((long)(steps * stepNanoseconds / TimeSpan.NanosecondsPerTick));

    private static Run Simulate(long rate, double share, double stepNanoseconds, TimeSpan overshoot, TimeSpan duration)
    {
        TimeSpan now = TimeSpan.FromHours(1);
        TimeSpan end = now + duration;
        var pace = new VcpuPace(rate, share, now);
        var run = new Run();
        TimeSpan stretch = TimeSpan.Zero;
        while (now < end)
        {
            long steps = pace.Next(now, out TimeSpan rest);
            if (steps == 0)
            {
                Assert.InRange(rest, VcpuPace.MinRest, VcpuPace.MaxRest);
                TimeSpan slept = TimeSpan.FromMilliseconds(Math.Ceiling(rest.TotalMilliseconds)) + overshoot;
                now += slept;
                if (rest > run.LongestRest) run.LongestRest = rest;
                stretch = TimeSpan.Zero;
                continue;
            }

            TimeSpan took = Cost(steps, stepNanoseconds);
            now += took;
            pace.Ran(steps, now);
            stretch += took;
            run.Steps += steps;
            run.Ran += took;
            run.Batches++;
            if (stretch > run.LongestStretch) run.LongestStretch = stretch;
        }

        run.Elapsed = now - (end - duration);
        return run;
    }

    private sealed class Run
    {
        public long Steps { get; set; }

        public long Batches { get; set; }

        public TimeSpan Ran { get; set; }

        public TimeSpan Elapsed { get; set; }

        public TimeSpan LongestRest { get; set; }

        public TimeSpan LongestStretch { get; set; }
    }
}
