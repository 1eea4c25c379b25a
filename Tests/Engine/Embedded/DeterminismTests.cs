using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class DeterminismTests
{
    public static TheoryData<GuestProgramKind> EachProgram => [.. Programs];

    [Theory]
    [MemberData(nameof(EachProgram))]
    public async Task Two_runs_to_the_same_step_hold_the_same_memory_and_registers(GuestProgramKind program)
    {
        VmSpecification specification = Specification(program).HaltingAfter(300_007);
        await using EmbeddedVirtualMachine first = await StartAsync(specification);
        await using EmbeddedVirtualMachine second = await StartAsync(specification);
        await Task.WhenAll(first.Halted, second.Halted);
        await first.PauseAsync(Cancelled);
        await second.PauseAsync(Cancelled);
        Assert.Equal(await first.ReadRegistersAsync(Cancelled), await second.ReadRegistersAsync(Cancelled));
        Assert.True(first.Memory.ReadAll().AsSpan().SequenceEqual(second.Memory.ReadAll()));
        Assert.Equal(program != GuestProgramKind.Idle, first.Memory.ReadAll().AsSpan().ContainsAnyExcept((byte)0));
    }

    [Theory]
    [MemberData(nameof(EachProgram))]
    public async Task A_replay_equals_the_live_run_wherever_it_was_paused(GuestProgramKind program)
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(program, vcpuCount: 4));
        long steps = 0;
        for (int round = 0; round < 4; round++)
        {
            await vm.RunToAsync(steps + 1);
            await vm.PauseAsync(Cancelled);
            Assert.Null(await vm.ReplayAsync());
            steps = vm.ReadSteps().Max();
            await vm.ResumeAsync(Cancelled);
        }
    }

    [Theory]
    [MemberData(nameof(EachProgram))]
    public async Task A_saved_vm_goes_on_identically_in_another_one(GuestProgramKind program)
    {
        const long end = 400_000;
        VmSpecification specification = Specification(program).HaltingAfter(end);
        await using EmbeddedVirtualMachine source = await StartAsync(specification);
        await source.PauseAsync(Cancelled);
        var state = new MemoryStream();
        await source.SaveStateAsync(state, StateContents.Devices, Cancelled);

        await using EmbeddedVirtualMachine destination = await PrepareIncomingAsync(specification);
        destination.Memory.Write(0, source.Memory.ReadAll());
        state.Position = 0;
        await destination.LoadStateAsync(state, Cancelled);
        Assert.Equal(VmState.Paused, await destination.GetStateAsync(Cancelled));
        Assert.Equal(await source.ReadRegistersAsync(Cancelled), await destination.ReadRegistersAsync(Cancelled));

        await source.ResumeAsync(Cancelled);
        await destination.ResumeAsync(Cancelled);
        await Task.WhenAll(source.Halted, destination.Halted);
        await source.PauseAsync(Cancelled);
        await destination.PauseAsync(Cancelled);
        Assert.All(destination.ReadSteps(), steps => Assert.Equal(end, steps));
        Assert.Equal(await source.ReadRegistersAsync(Cancelled), await destination.ReadRegistersAsync(Cancelled));
        Assert.True(source.Memory.ReadAll().AsSpan().SequenceEqual(destination.Memory.ReadAll()));
        Assert.Null(await destination.ReplayAsync());
    }

    [Fact]
    public async Task Vcpus_and_seeds_write_different_data()
    {
        VmSpecification specification = Specification(GuestProgramKind.SequentialWriter, vcpuCount: 2).HaltingAfter(1000);
        await using EmbeddedVirtualMachine first = await StartAsync(specification);
        await using EmbeddedVirtualMachine second = await StartAsync(specification.With(guest => guest with { Seed = 43 }));
        await Task.WhenAll(first.Halted, second.Halted);
        byte[] one = first.Memory.ReadAll();
        Assert.False(one.AsSpan(0, 8000).SequenceEqual(one.AsSpan(one.Length / 2, 8000)));
        Assert.False(one.AsSpan(0, 8000).SequenceEqual(second.Memory.ReadAll().AsSpan(0, 8000)));
    }

    [Fact]
    public async Task The_hot_set_writer_writes_nine_of_ten_words_into_a_tenth_of_its_working_set()
    {
        const int steps = 10_000;
        await using EmbeddedVirtualMachine vm = await StartAsync(
            Specification(GuestProgramKind.HotSetWriter, 64 * MiB, vcpuCount: 1).HaltingAfter(steps));
        await vm.Halted;
        byte[] memory = vm.Memory.ReadAll();
        int hot = CountWords(memory.AsSpan(0, memory.Length / 10 / 8 * 8));
        int cold = CountWords(memory.AsSpan(memory.Length / 10 / 8 * 8));

        // Few words are hit twice: 9,000 writes fall into 839,000 words.
        Assert.InRange(hot, (int)(steps * 0.88), (int)(steps * 0.92));
        Assert.InRange(hot + cold, (int)(steps * 0.98), steps);
    }

    [Fact]
    public async Task Programs_write_nothing_outside_their_working_set()
    {
        foreach (GuestProgramKind program in Programs)
        {
            await using EmbeddedVirtualMachine vm = await StartAsync(
                Specification(program, vcpuCount: 3).HaltingAfter(200_000).With(guest => guest with { WorkingSetBytes = 5 * 4096 }));
            await vm.Halted;
            Assert.False(vm.Memory.ReadAll().AsSpan(5 * 4096).ContainsAnyExcept((byte)0));
            await vm.PauseAsync(Cancelled);
            Assert.Null(await vm.ReplayAsync());
        }
    }

    private static int CountWords(ReadOnlySpan<byte> bytes)
    {
        int count = 0;
        foreach (ulong word in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bytes)) count += word == 0 ? 0 : 1;
        return count;
    }
}
