using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

[Collection(nameof(Timing))]
public sealed class PauseTests(ITestOutputHelper output)
{
    public static TheoryData<GuestProgramKind> EachProgram => [.. Programs];

    [Theory]
    [MemberData(nameof(EachProgram))]
    public async Task After_a_pause_no_vcpu_takes_another_step(GuestProgramKind program)
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(program, vcpuCount: 4));
        for (int round = 0; round < 5; round++)
        {
            await vm.RunToAsync(vm.ReadSteps().Max() + 1);
            await vm.PauseAsync(Cancelled);
            IReadOnlyList<VcpuRegisters> registers = await vm.ReadRegistersAsync(Cancelled);
            byte[] memory = vm.Memory.ReadAll();
            await Task.Delay(10, Cancelled);
            Assert.Equal(registers, await vm.ReadRegistersAsync(Cancelled));
            Assert.Equal(vm.ReadSteps(), registers.Select(vcpu => vcpu.Steps));
            Assert.True(memory.AsSpan().SequenceEqual(vm.Memory.ReadAll()));
            await vm.ResumeAsync(Cancelled);
        }
    }

    [Fact]
    public async Task A_pause_takes_hardly_longer_than_two_spinning_threads_take_to_look_up()
    {
        var times = new List<TimeSpan>();
        var spins = new List<TimeSpan>();
        for (int round = 0; round < 15; round++)
        {
            await using EmbeddedVirtualMachine vm =
                await StartAsync(Specification(GuestProgramKind.HotSetWriter, 256 * MiB, vcpuCount: 2));
            await vm.RunToAsync(100);
            for (int pause = 0; pause < 5; pause++)
            {
                long started = Stopwatch.GetTimestamp();
                await vm.PauseAsync(Cancelled);
                times.Add(Stopwatch.GetElapsedTime(started));
                Assert.InRange(vm.LastPausedAt, started, Stopwatch.GetTimestamp());
                spins.Add(await TimeSpinningThreadsAsync(2));
                await vm.ResumeAsync(Cancelled);
            }
        }

        times.Sort();
        spins.Sort();
        TimeSpan median = times[times.Count / 2];
        output.WriteLine($"median {median.TotalMilliseconds:f3} ms, longest {times[^1].TotalMilliseconds:f3} ms; spinning "
            + $"{spins[spins.Count / 2].TotalMilliseconds:f3} ms, {spins[^1].TotalMilliseconds:f3} ms");

        // Memory is touched for the first time here, which makes steps slow. On a busy machine spinning threads wait for a processor as
        // vCPUs do.
        Assert.InRange(median, TimeSpan.Zero, TimeSpan.FromMilliseconds(15) + (5 * spins[spins.Count / 2]));
    }

    [Fact]
    public async Task A_vm_that_rests_or_waits_for_its_next_step_pauses_at_once()
    {
        VmSpecification slow = Specification(GuestProgramKind.SequentialWriter).With(guest => guest with { StepsPerSecond = 1 });
        await using EmbeddedVirtualMachine waits = await StartAsync(slow);
        await using EmbeddedVirtualMachine rests = await StartAsync(Specification(GuestProgramKind.SequentialWriter));
        await rests.SetVcpuShareAsync(0.0001, Cancelled);
        var times = new List<TimeSpan>();
        for (int pause = 0; pause < 30; pause++)
        {
            long started = Stopwatch.GetTimestamp();
            await waits.PauseAsync(Cancelled);
            await rests.PauseAsync(Cancelled);
            times.Add(Stopwatch.GetElapsedTime(started));
            await waits.ResumeAsync(Cancelled);
            await rests.ResumeAsync(Cancelled);
        }

        // Both sleep up to 100 ms at a stretch: only a wait that an order ends is this short.
        times.Sort();
        Assert.InRange(times[times.Count / 2], TimeSpan.Zero, TimeSpan.FromMilliseconds(40));
    }

    [Fact]
    public async Task Pausing_and_resuming_twice_does_nothing_the_second_time()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum));
        Assert.Equal(0, vm.LastPausedAt);
        await vm.ResumeAsync(Cancelled);
        Assert.Equal(VmState.Running, await vm.GetStateAsync(Cancelled));
        await vm.PauseAsync(Cancelled);
        long pausedAt = vm.LastPausedAt;
        await vm.PauseAsync(Cancelled);
        Assert.Equal(pausedAt, vm.LastPausedAt);
        Assert.Equal(VmState.Paused, await vm.GetStateAsync(Cancelled));
    }

    [Fact]
    public async Task Changes_from_many_sides_at_once_leave_a_consistent_vm()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum, 2 * MiB, vcpuCount: 2));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(side => Task.Run(
            async () =>
            {
                for (int i = 0; i < 20; i++)
                {
                    await vm.PauseAsync(Cancelled);
                    await vm.SetVcpuShareAsync(1.0 / (side + 1), Cancelled);
                    await vm.ResumeAsync(Cancelled);
                }
            },
            Cancelled)));
        await vm.PauseAsync(Cancelled);
        Assert.Null(await vm.ReplayAsync());
    }

    [Fact]
    public async Task A_cancelled_pause_changes_nothing()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => vm.PauseAsync(new CancellationToken(canceled: true)));
        Assert.Equal(VmState.Running, await vm.GetStateAsync(Cancelled));
    }

    /// <summary>Lets threads spin for a while on a flag, then times how long they take to see it, as a pause is timed.</summary>
    private static async Task<TimeSpan> TimeSpinningThreadsAsync(int count)
    {
        var order = new VcpuOrder(VcpuMode.End, 1, count);
        int spinning = 0;
        int look = 0;
        Thread[] threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(() =>
        {
            Interlocked.Increment(ref spinning);
            while (Volatile.Read(ref look) == 0)
            {
            }

            order.Acknowledge();
        }))];
        foreach (Thread thread in threads) thread.Start();
        while (Volatile.Read(ref spinning) < count) await Task.Delay(1, Cancelled);
        long started = Stopwatch.GetTimestamp();
        Volatile.Write(ref look, 1);
        await order.Obeyed;
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        foreach (Thread thread in threads) thread.Join();
        return took;
    }
}
