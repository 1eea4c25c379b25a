using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class SoftwareWriteTraceTests
{
    private static readonly Gen<VmSpecification> AnyWriter = Gen.Select(
        Gen.OneOf(Programs), Gen.Long[1, 12], Gen.Int[1, 5], Gen.ULong, Gen.Int[12, 21], Gen.Long[5, 3072], Gen.Double[0, 1],
        (program, units, vcpus, seed, shift, pages, arming) => new VmSpecification
        {
            Name = "vm",
            MemoryBytes = units * 2 * MiB,
            VcpuCount = vcpus,
            Embedded = new()
            {
                Program = program,
                Seed = seed,
                WorkingSetBytes = Math.Min(pages * 4096, units * 2 * MiB),
                WriteTraceGranularityBytes = 1 << shift,
                TraceArmingVcpus = (int)Math.Round(arming * vcpus),
            },
        });

    [Fact]
    public async Task Copying_what_the_trace_reports_until_the_vm_pauses_loses_no_write() =>
        await Gen.Select(AnyWriter, Gen.Int[0, 12], Gen.Bool, Gen.Int[0, 50]).SampleAsync(
            async (writer, rounds, refines, faultMicroseconds) =>
            {
                VmSpecification specification = writer.With(guest => guest with
                {
                    WriteTraceGranularityBytes = refines ? 0 : guest.WriteTraceGranularityBytes,
                    TraceFaultTime = TimeSpan.FromMicroseconds(faultMicroseconds),
                });
                await using EmbeddedVirtualMachine vm = await StartAsync(specification);
                using WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
                Assert.Equal(refines ? 2 << 20 : specification.Embedded!.WriteTraceGranularityBytes, trace.GranularityBytes);
                byte[] shadow = vm.Memory.ReadAll();
                for (int i = 0; i < rounds; i++) CopyWritten(vm, trace, shadow);
                await vm.PauseAsync(Cancelled);
                CopyWritten(vm, trace, shadow);

                Assert.Equal(-1, FirstDifference(shadow, vm.Memory.ReadAll()));
                Assert.Null(await vm.ReplayAsync());
            },
            iter: 100, threads: 1);

    [Fact]
    public async Task A_trace_reports_exactly_the_granules_that_were_written_and_each_once() =>
        await Gen.Select(AnyWriter, Gen.Long[1, 3000]).SampleAsync(
            async (specification, steps) =>
            {
                await using EmbeddedVirtualMachine vm = await MakePausedAsync(specification.HaltingAfter(steps));
                using WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
                await vm.ResumeAsync(Cancelled);
                await vm.Halted;
                await vm.PauseAsync(Cancelled);

                PageSet expected = WrittenByReplay(specification, steps);
                var written = new PageSet(vm.Memory.PageCount);
                trace.CollectAndRearm(written);
                for (long page = 0; page < written.PageCount; page++) Assert.Equal(expected.Contains(page), written.Contains(page));

                var again = new PageSet(vm.Memory.PageCount);
                trace.CollectAndRearm(again);
                Assert.Equal(0, again.Count);
                Assert.Equal(3, trace.Statistics.Installs);
                Assert.True(trace.Statistics.InstallTime > TimeSpan.Zero);
            },
            iter: 60, threads: 1);

    [Fact]
    public unsafe void Every_program_marks_each_word_after_writing_it()
    {
        foreach (GuestProgramKind program in Programs)
        {
            using var memory = new EmbeddedMemory(2 * MiB);
            byte[] mirror = new byte[memory.SizeBytes];
            VcpuRegisters registers = GuestProgram.InitialRegisters(seed: 5, vcpu: 0);
            GuestShare share = GuestShare.Of(memory.Start, memory.SizeBytes, 0, 1);
            GuestProgram.Of(program).Run(ref registers, share, new MirroredWrites(memory, mirror), 400_000);
            Assert.Equal(-1, FirstDifference(mirror, memory.ReadAll()));
        }
    }

    [Fact]
    public async Task Writes_between_two_traces_and_engine_writes_are_not_reported()
    {
        VmSpecification specification = Specification(GuestProgramKind.SequentialWriter).HaltingAfter(100_000);
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        WriteTrace first = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        first.Dispose();
        await vm.Halted;
        using WriteTrace second = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        vm.Memory.Write(0, new byte[4096]);
        var written = new PageSet(vm.Memory.PageCount);
        second.CollectAndRearm(written);
        Assert.Equal(0, written.Count);
    }

    [Fact]
    public async Task A_second_trace_at_the_same_time_is_refused_and_the_first_goes_on()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.SequentialWriter));
        using WriteTrace first = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled));
        Assert.Equal(MigrationErrorReason.InvalidState, refused.Reason);
        await vm.RunToAsync(vm.ReadSteps().Max() + 100_000);
        var written = new PageSet(vm.Memory.PageCount);
        first.CollectAndRearm(written);
        Assert.NotEqual(0, written.Count);
    }

    [Fact]
    public async Task A_trace_outlives_its_vm_without_harm()
    {
        EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.SequentialWriter));
        WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        await vm.DestroyAsync();
        trace.CollectAndRearm(new PageSet(vm.Memory.PageCount));
        trace.Dispose();
        trace.Dispose();
    }

    [Fact]
    public async Task A_set_of_another_size_is_refused()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        using WriteTrace trace = await vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled);
        var refused = Assert.Throws<MigrationException>(() => trace.CollectAndRearm(new PageSet(1)));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    [Theory]
    [InlineData(-4096)]
    [InlineData(2048)]
    [InlineData(12288)]
    public void Granularities_that_are_no_power_of_two_or_below_a_page_are_refused(int granularityBytes)
    {
        var refused = Assert.Throws<MigrationException>(() => new SoftwareWriteTrace(2 * MiB, granularityBytes, new TraceSlot(), 1));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refused.Reason);
    }

    private static void CopyWritten(EmbeddedVirtualMachine vm, WriteTrace trace, byte[] shadow)
    {
        var written = new PageSet(vm.Memory.PageCount);
        trace.CollectAndRearm(written);
        for (long from = 0; written.TryFindRun(from, written.PageCount, out long first, out long count); from = first + count)
        {
            Span<byte> copy = shadow.AsSpan((int)(first << GuestMemory.PageShift), (int)(count << GuestMemory.PageShift));
            Assert.Equal(copy.Length, vm.Memory.TryRead(first << GuestMemory.PageShift, copy));
        }
    }

    private static int FirstDifference(byte[] expected, byte[] actual)
    {
        int same = expected.AsSpan().CommonPrefixLength(actual);
        return same == actual.Length ? -1 : same;
    }

    private static unsafe PageSet WrittenByReplay(VmSpecification specification, long steps)
    {
        EmbeddedGuest guest = specification.Embedded!;
        using var memory = new EmbeddedMemory(specification.MemoryBytes);
        var written = new PageSet(memory.PageCount);
        for (int vcpu = 0; vcpu < specification.VcpuCount; vcpu++)
        {
            VcpuRegisters registers = GuestProgram.InitialRegisters(guest.Seed, vcpu);
            GuestShare share = GuestShare.Of(memory.Start, guest.WorkingSetBytes, vcpu, specification.VcpuCount);
            GuestProgram.Of(guest.Program).Run(ref registers, share, new RecordedWrites(written, guest.WriteTraceGranularityBytes), steps);
        }

        return written;
    }

    /// <summary>Copies a word the moment it is marked: a word marked too early, or never, stays behind.</summary>
    private readonly struct MirroredWrites(EmbeddedMemory memory, byte[] mirror) : IGuestAccess
    {
        public bool AdmitsRead(long offset) => true;

        public bool AdmitsWrite(long offset) => true;

        public void Wrote(long offset) => memory.TryRead(offset, mirror.AsSpan((int)offset, sizeof(ulong)));
    }

    /// <summary>The plain way to note a write: every page of the granule it falls into.</summary>
    private readonly struct RecordedWrites(PageSet written, int granularityBytes) : IGuestAccess
    {
        public bool AdmitsRead(long offset) => true;

        public bool AdmitsWrite(long offset) => true;

        public void Wrote(long offset)
        {
            long start = offset / granularityBytes * granularityBytes;
            long end = Math.Min(start + granularityBytes, written.PageCount << GuestMemory.PageShift);
            for (long at = start; at < end; at += GuestMemory.PageSizeBytes) written.Add(at >> GuestMemory.PageShift);
        }
    }
}
