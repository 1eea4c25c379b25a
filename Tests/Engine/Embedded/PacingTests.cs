using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

/// <summary>The pace on real threads: upper bounds hold on any machine, lower ones leave room for a busy one.</summary>
[Collection(nameof(Timing))]
public sealed class PacingTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_paced_guest_never_runs_ahead_of_its_rate_and_reaches_it()
    {
        const long rate = 100_000;
        long started = Stopwatch.GetTimestamp();
        await using EmbeddedVirtualMachine vm = await StartAsync(
            Specification(GuestProgramKind.HotSetWriter, vcpuCount: 2).With(guest => guest with { StepsPerSecond = rate }));
        while (vm.ReadSteps().Min() < rate / 2)
        {
            await Task.Delay(5, Cancelled);
            long steps = vm.ReadSteps().Max();
            Assert.InRange(steps, 0, (Stopwatch.GetElapsedTime(started) + VcpuPace.MaxCatchUp).TotalSeconds * rate);
        }

        output.WriteLine($"{vm.ReadSteps().Min() / Stopwatch.GetElapsedTime(started).TotalSeconds:f0} of {rate} steps/s");
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_guest_held_to_a_tenth_of_its_time_falls_behind_one_that_is_not_until_the_brake_is_off()
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum, 2 * MiB, vcpuCount: 1);
        await using EmbeddedVirtualMachine free = await StartAsync(specification);
        await using EmbeddedVirtualMachine held = await StartAsync(specification);
        await held.SetVcpuShareAsync(0.1, Cancelled);

        // On a processor shared with other programs a single window says little; the exact share is tested on the made-up clock.
        double[] ratios = await RatiosAsync(free, held, until: ratio => ratio < 0.25);
        output.WriteLine($"share 0.1: {string.Join(' ', ratios.Select(ratio => $"{ratio:f3}"))} of the steps");
        Assert.InRange(ratios[^1], 0.0001, 0.25);

        await held.SetVcpuShareAsync(1, Cancelled);
        ratios = await RatiosAsync(free, held, until: ratio => ratio > 0.6);
        output.WriteLine($"brake off: {string.Join(' ', ratios.Select(ratio => $"{ratio:f3}"))} of the steps");
        Assert.InRange(ratios[^1], 0.6, double.MaxValue);
    }

    [Fact]
    public async Task A_paced_guest_held_to_half_its_time_runs_half_its_rate()
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum, 2 * MiB, vcpuCount: 1)
            .With(guest => guest with { StepsPerSecond = 200_000 });
        await using EmbeddedVirtualMachine free = await StartAsync(specification);
        await using EmbeddedVirtualMachine held = await StartAsync(specification);
        await held.SetVcpuShareAsync(0.5, Cancelled);
        (long freeSteps, long heldSteps) = await CountAsync(free, held);
        Assert.InRange(heldSteps / (double)freeSteps, 0.3, 0.7);
    }

    [Fact]
    public async Task A_share_given_to_a_paused_vm_holds_once_it_runs()
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum, 2 * MiB, vcpuCount: 1)
            .With(guest => guest with { StepsPerSecond = 200_000 });
        await using EmbeddedVirtualMachine free = await StartAsync(specification);
        await using EmbeddedVirtualMachine held = await StartAsync(specification);
        await held.PauseAsync(Cancelled);
        await held.SetVcpuShareAsync(0.5, Cancelled);
        Assert.Equal(VmState.Paused, await held.GetStateAsync(Cancelled));
        await held.ResumeAsync(Cancelled);
        (long freeSteps, long heldSteps) = await CountAsync(free, held);
        Assert.InRange(heldSteps / (double)freeSteps, 0.3, 0.7);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-0.5)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public async Task Shares_that_are_none_are_refused(double share)
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.SetVcpuShareAsync(share, Cancelled));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    [Fact]
    public async Task An_idle_guest_takes_no_more_steps_than_its_timer_ticks()
    {
        long started = Stopwatch.GetTimestamp();
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        await vm.RunToAsync(10);
        Assert.InRange(vm.ReadSteps().Max(), 10, (Stopwatch.GetElapsedTime(started) + VcpuPace.MaxCatchUp).TotalSeconds * 250);
    }

    /// <summary>Steps of the held VM per step of the free one, in windows one after the other until one fits, twenty at the most.</summary>
    private static async Task<double[]> RatiosAsync(EmbeddedVirtualMachine free, EmbeddedVirtualMachine held, Predicate<double> until)
    {
        var ratios = new List<double>();
        do
        {
            (long freeSteps, long heldSteps) = await CountAsync(free, held);
            ratios.Add(heldSteps / (double)freeSteps);
        }
        while (!until(ratios[^1]) && ratios.Count < 20);
        return [.. ratios];
    }

    private static async Task<(long Free, long Held)> CountAsync(EmbeddedVirtualMachine free, EmbeddedVirtualMachine held)
    {
        (long freeBefore, long heldBefore) = (free.ReadSteps()[0], held.ReadSteps()[0]);
        await Task.Delay(400, Cancelled);
        return (free.ReadSteps()[0] - freeBefore, held.ReadSteps()[0] - heldBefore);
    }
}
