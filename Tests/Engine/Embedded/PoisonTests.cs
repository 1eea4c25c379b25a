using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class PoisonTests
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(GuestProgramKind.SequentialWriter)]
    [InlineData(GuestProgramKind.HotSetWriter)]
    [InlineData(GuestProgramKind.Checksum)]
    public async Task A_guest_that_touches_a_poisoned_page_ends_as_by_a_machine_check(GuestProgramKind program)
    {
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(program));
        await vm.PoisonAsync([Poison(0x123)], Cancelled);
        await vm.ResumeAsync(Cancelled);
        Assert.Equal("the guest touched the poisoned page at 0x123000", await vm.Exited.WaitAsync(patience, Cancelled));
        Assert.Equal(VmState.Stopped, await vm.GetStateAsync(Cancelled));
        Assert.False(vm.HasThreads);
        Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => vm.PauseAsync(Cancelled))).Reason);
    }

    [Fact]
    public async Task A_guest_that_touches_none_of_them_runs_on_and_computes_what_it_must()
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum).With(guest => guest with { WorkingSetBytes = 4 * MiB });
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        await vm.PauseAsync(Cancelled);
        await vm.PoisonAsync([Poison(4 * MiB / 4096), Poison((8 * MiB / 4096) - 1)], Cancelled);
        await vm.ResumeAsync(Cancelled);
        await vm.RunToAsync(vm.ReadSteps().Max() + 1_000_000);
        Assert.False(vm.Exited.IsCompleted);
        await vm.PauseAsync(Cancelled);
        IReadOnlyList<VcpuRegisters> registers = await vm.ReadRegistersAsync(Cancelled);
        await using EmbeddedVirtualMachine twin = await StartAsync(specification);
        await twin.RunToAsync(1);
        await twin.PauseAsync(Cancelled);
        Assert.Null(await twin.ReplayAsync());
        byte[] memory = new byte[4 * MiB];
        Assert.Equal(memory.Length, vm.Memory.TryRead(0, memory));
        twin.Memory.Write(0, memory);
        Assert.Null(ReplayOracle.FindDifference(specification.Embedded!, registers, twin.Memory, Cancelled));
    }

    [Fact]
    public async Task Before_the_poisoned_page_every_step_was_taken_and_after_it_none()
    {
        const int page = 3;
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1));
        await vm.PoisonAsync([Poison(page)], Cancelled);
        using WriteTrace trace = await vm.StartWriteTraceAsync(4096, Cancelled);
        await vm.ResumeAsync(Cancelled);
        await vm.Exited.WaitAsync(patience, Cancelled);
        Assert.Equal([page * 4096L / sizeof(ulong)], vm.ReadSteps());
        Assert.Equal(page, trace.Statistics.Faults);
        var written = new PageSet(8 * MiB / 4096);
        trace.CollectAndRearm(written);
        Assert.Equal((page, false), (written.Count, written.Contains(page)));
    }

    [Fact]
    public async Task Reads_stop_at_a_poisoned_page_and_go_on_behind_it()
    {
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.Idle));
        await vm.PoisonAsync([Poison(2), Poison(600)], Cancelled);
        Assert.Equal(2 * 4096, vm.Memory.TryRead(0, new byte[MiB]));
        Assert.Equal(0, vm.Memory.TryRead(2 * 4096, new byte[MiB]));
        Assert.Equal(0, vm.Memory.TryRead((2 * 4096) + 100, new byte[1]));
        Assert.Equal(597 * 4096, vm.Memory.TryRead(3 * 4096, new byte[4 * MiB]));
        Assert.Equal(100, vm.Memory.TryRead((2 * 4096) - 100, new byte[200]));
        Assert.Equal(4096, vm.Memory.TryRead(601 * 4096, new byte[4096]));
    }

    [Fact]
    public async Task Poisoned_pages_are_listed_once_each_with_where_the_guest_sees_them()
    {
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(Specification(GuestProgramKind.Idle));
        Assert.Null(vm.Capabilities.PoisonRefused);
        Assert.Empty(await vm.FindPoisonedPagesAsync(Cancelled));
        PoisonedPage first = Poison(7);
        await vm.PoisonAsync([first, Poison(5)], Cancelled);
        await vm.PoisonAsync([first], Cancelled);
        IReadOnlyList<PoisonedPage> found = await vm.FindPoisonedPagesAsync(Cancelled);
        Assert.Equal([5L, 7L], found.Select(page => page.Page));
        Assert.Equal(first with { GuestPhysicalAddress = 0x7000 }, found[1]);
    }

    [Fact]
    public async Task Poison_is_refused_while_the_vm_runs_and_for_pages_it_does_not_have()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        var running = await Assert.ThrowsAsync<MigrationException>(() => vm.PoisonAsync([Poison(1)], Cancelled));
        Assert.Equal(MigrationErrorReason.InvalidState, running.Reason);
        await vm.PauseAsync(Cancelled);
        foreach (long page in (long[])[-1, 8 * MiB / 4096])
        {
            var outside = await Assert.ThrowsAsync<MigrationException>(() => vm.PoisonAsync([Poison(1), Poison(page)], Cancelled));
            Assert.Equal(MigrationErrorReason.InvalidArgument, outside.Reason);
        }

        Assert.True(vm.Memory.Poisoned.IsEmpty);
    }

    private static PoisonedPage Poison(long page) => new(page, PoisonSource.Injected, DateTimeOffset.UtcNow);
}
