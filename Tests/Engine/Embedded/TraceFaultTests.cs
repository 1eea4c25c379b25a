using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

[Collection(nameof(Timing))]
public sealed class TraceFaultTests
{
    private const int StepsPerPage = GuestMemory.PageSizeBytes / sizeof(ulong);

    [Theory]
    [InlineData(4096, 100)]
    [InlineData(65536, 7)]
    [InlineData(2 << 20, 1)]
    public async Task A_first_write_to_an_armed_granule_is_a_fault_and_later_ones_are_free(int granularityBytes, long faults)
    {
        VmSpecification specification = Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1).HaltingAfter(100 * StepsPerPage);
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(specification);
        using WriteTrace trace = await vm.StartWriteTraceAsync(granularityBytes, Cancelled);
        await vm.ResumeAsync(Cancelled);
        await vm.Halted;
        Assert.Equal(faults, trace.Statistics.Faults);
        Assert.True(trace.Statistics.GuestStallTime > TimeSpan.Zero);
        Assert.Equal(TimeSpan.Zero, trace.Statistics.MaxFaultDelay);
    }

    [Fact]
    public async Task Arming_again_makes_the_next_write_a_fault_again()
    {
        VmSpecification specification = Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1)
            .With(guest => guest with { WorkingSetBytes = 4096 });
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(specification);
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        for (int round = 1; round <= 5; round++)
        {
            await vm.ResumeAsync(Cancelled);
            await vm.RunToAsync(vm.ReadSteps()[0] + 10_000);
            await vm.PauseAsync(Cancelled);
            Assert.Equal(round, trace.Statistics.Faults);
            var written = new PageSet(vm.Memory.PageCount);
            trace.CollectAndRearm(written);
            Assert.Equal(1, written.Count);
        }
    }

    [Fact]
    public async Task A_delay_holds_every_first_write_back_and_is_counted()
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(5);
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1)
            .HaltingAfter(40 * StepsPerPage));
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        Assert.True(trace.CanDelayFaults);
        trace.FaultDelay = delay;
        long started = Stopwatch.GetTimestamp();
        await vm.ResumeAsync(Cancelled);
        await vm.Halted;
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        Assert.True(took >= 40 * delay, $"{took}");
        Assert.Equal((40, delay), (trace.Statistics.Faults, trace.Statistics.MaxFaultDelay));
        Assert.InRange(trace.Statistics.GuestStallTime, 40 * delay, took);
        await vm.PauseAsync(Cancelled);
        Assert.Null(await vm.ReplayAsync());
    }

    [Fact]
    public async Task A_held_write_goes_on_when_the_vm_pauses()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.SequentialWriter, vcpuCount: 2));
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        trace.FaultDelay = WriteTrace.MaxFaultDelay;
        var times = new List<TimeSpan>();
        for (int i = 0; i < 21; i++)
        {
            long faults = trace.Statistics.Faults;
            trace.CollectAndRearm(new PageSet(vm.Memory.PageCount));
            while (trace.Statistics.Faults < faults + 2) await Task.Delay(1, Cancelled);
            long started = Stopwatch.GetTimestamp();
            await vm.PauseAsync(Cancelled);
            times.Add(Stopwatch.GetElapsedTime(started));
            await vm.ResumeAsync(Cancelled);
        }

        times.Sort();
        Assert.InRange(times[times.Count / 2], TimeSpan.Zero, WriteTrace.MaxFaultDelay / 3);
        await vm.PauseAsync(Cancelled);
        Assert.Null(await vm.ReplayAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_held_write_goes_on_when_the_trace_is_lifted_or_the_delay_taken_away(bool lifted)
    {
        var times = new List<TimeSpan>();
        for (int i = 0; i < 11; i++)
        {
            await using EmbeddedVirtualMachine vm = await MakePausedAsync(
                Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1).HaltingAfter(1));
            using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
            trace.FaultDelay = WriteTrace.MaxFaultDelay;
            await vm.ResumeAsync(Cancelled);
            long started = Stopwatch.GetTimestamp();
            if (lifted) trace.Dispose();
            else trace.FaultDelay = TimeSpan.Zero;
            await vm.Halted;
            times.Add(Stopwatch.GetElapsedTime(started));
        }

        times.Sort();
        Assert.InRange(times[times.Count / 2], TimeSpan.Zero, WriteTrace.MaxFaultDelay / 2);
    }

    [Theory]
    [InlineData(-0.001)]
    [InlineData(20.001)]
    public async Task A_delay_outside_its_bounds_is_refused(double milliseconds)
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        var refused = Assert.Throws<MigrationException>(() => trace.FaultDelay = TimeSpan.FromMilliseconds(milliseconds));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
        Assert.Equal(TimeSpan.Zero, trace.FaultDelay);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Only_vcpus_that_arm_stand_for_it_even_while_paused_or_held_back(int arming)
    {
        VmSpecification specification = Specification(GuestProgramKind.Idle).With(guest => guest with { TraceArmingVcpus = arming });
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        trace.CollectAndRearm(new PageSet(vm.Memory.PageCount));
        await vm.PauseAsync(Cancelled);
        trace.CollectAndRearm(new PageSet(vm.Memory.PageCount));

        // An idle guest writes nothing: whatever it stood for was arming. The last of the vCPUs may still be about to count it.
        if (arming == 0) Assert.Equal(TimeSpan.Zero, trace.Statistics.GuestStallTime);
        else while (trace.Statistics.GuestStallTime == TimeSpan.Zero) await Task.Delay(1, Cancelled);
        Assert.Equal((3, 0), (trace.Statistics.Installs, trace.Statistics.Faults));
    }

    [Fact]
    public async Task Vcpus_asked_to_arm_while_the_vm_ends_keep_nobody_waiting()
    {
        for (int i = 0; i < 30; i++)
        {
            EmbeddedVirtualMachine vm = await StartAsync(
                Specification(GuestProgramKind.SequentialWriter).With(guest => guest with { TraceArmingVcpus = 3 }));
            using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
            trace.FaultDelay = WriteTrace.MaxFaultDelay;
            Task collecting = Task.Run(
                () =>
                {
                    for (int round = 0; round < 20; round++) trace.CollectAndRearm(new PageSet(vm.Memory.PageCount));
                },
                Cancelled);
            await vm.DestroyAsync().WaitAsync(TimeSpan.FromSeconds(20), Cancelled);
            await collecting.WaitAsync(TimeSpan.FromSeconds(20), Cancelled);
        }
    }

    [Fact]
    public async Task Auto_reports_sparsely_written_regions_by_the_page_and_lifts_dense_ones_whole()
    {
        VmSpecification sparse = Specification(GuestProgramKind.SequentialWriter, 8 * MiB, vcpuCount: 4)
            .With(guest => guest with { WorkingSetBytes = 4 * 4096 });
        await using EmbeddedVirtualMachine few = await StartAsync(sparse);
        await using EmbeddedVirtualMachine many = await StartAsync(Specification(GuestProgramKind.SequentialWriter, 8 * MiB, vcpuCount: 4));
        using WriteTrace fewTrace = await few.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        using WriteTrace manyTrace = await many.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        var first = await CollectAsync(few, fewTrace);
        Assert.Equal((512, 2 << 20), (first.Written, first.GranularityBefore));
        var second = await CollectAsync(few, fewTrace);
        Assert.Equal((4, 4096), (second.Written, second.GranularityBefore));
        Assert.True(fewTrace.Overreports);

        // Each region is tried by the page now and then and found dense: far fewer faults than one for every page each time.
        const int rounds = 12;
        for (int round = 0; round < rounds; round++) await CollectAsync(many, manyTrace);
        Assert.InRange(manyTrace.Statistics.Faults, 4 * rounds, rounds * many.Memory.PageCount / 2);
    }

    /// <summary>Lets every vCPU write its share at least once, with the VM paused at both ends, and collects.</summary>
    private static async Task<(long Written, int GranularityBefore)> CollectAsync(EmbeddedVirtualMachine vm, WriteTrace trace)
    {
        await vm.ResumeAsync(Cancelled);
        await vm.RunToAsync(vm.ReadSteps().Max() + (vm.Memory.SizeBytes / sizeof(ulong)));
        await vm.PauseAsync(Cancelled);
        int granularity = trace.GranularityBytes;
        var written = new PageSet(vm.Memory.PageCount);
        trace.CollectAndRearm(written);
        return (written.Count, granularity);
    }
}
