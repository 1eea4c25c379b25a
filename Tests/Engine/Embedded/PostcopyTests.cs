using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class PostcopyTests
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_guest_that_runs_while_its_pages_come_holds_afterwards_what_its_program_must_have_left() =>
        await Gen.Select(Gen.OneOf(Programs), Gen.Int[1, 4], Gen.ULong, Gen.Double[0, 1], Gen.Int[0, 1000]).SampleAsync(
            async (program, vcpus, seed, share, order) =>
            {
                VmSpecification specification = Specification(program, 4 * MiB, vcpus).With(guest => guest with { Seed = seed });
                await using EmbeddedVirtualMachine source = await StartAsync(specification);
                await source.RunToAsync(program == GuestProgramKind.Idle ? 1 : 100_000);
                await source.PauseAsync(Cancelled);
                (EmbeddedVirtualMachine vm, MissingPages missing) = await TakeAsync(source, share, new Random(order));
                await using (vm)
                using (missing)
                {
                    await vm.ResumeAsync(Cancelled);
                    Task answering = Task.Run(() => Answer(source, missing), Cancelled);
                    long[] pages = [.. Enumerable.Range(0, (int)vm.Memory.PageCount).Select(page => (long)page)];
                    new Random(order).Shuffle(pages);
                    byte[] contents = new byte[GuestMemory.PageSizeBytes];
                    foreach (long page in pages) Send(source, missing, page, contents);
                    await answering.WaitAsync(patience, Cancelled);

                    await vm.RunToAsync(vm.ReadSteps().Max() + (program == GuestProgramKind.Idle ? 1 : 10_000));
                    await vm.PauseAsync(Cancelled);
                    Assert.Null(await vm.ReplayAsync());
                }
            },
            iter: 60, threads: 1);

    [Fact]
    public async Task A_vm_pauses_and_resumes_while_vcpus_wait_and_takes_no_step_into_a_missing_page()
    {
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.SequentialWriter, vcpuCount: 2));
        using MissingPages missing = await vm.StartPostcopyAsync(All(vm), Cancelled);
        for (int round = 0; round < 5; round++)
        {
            await vm.ResumeAsync(Cancelled);
            Assert.True(missing.WaitForTouch(Cancelled) >= 0);
            await vm.PauseAsync(Cancelled).WaitAsync(patience, Cancelled);
            Assert.Equal([0L, 0L], vm.ReadSteps());
            Assert.Equal(VmState.Paused, await vm.GetStateAsync(Cancelled));
        }

        missing.PlaceZeros(0, vm.Memory.PageCount);
        Assert.Equal([0L, 0L], vm.ReadSteps());
        await vm.ResumeAsync(Cancelled);
        await vm.RunToAsync(1_000_000);
        await vm.PauseAsync(Cancelled);
        Assert.Null(await vm.ReplayAsync());
        Assert.Equal(2, missing.Statistics.Touches);
    }

    [Fact]
    public async Task A_vm_is_destroyed_while_vcpus_wait()
    {
        EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.Checksum));
        using MissingPages missing = await vm.StartPostcopyAsync(All(vm), Cancelled);
        await vm.ResumeAsync(Cancelled);
        missing.WaitForTouch(Cancelled);
        await vm.DestroyAsync().WaitAsync(patience, Cancelled);
        Assert.False(vm.HasThreads);
        var gone = Assert.Throws<MigrationException>(() => missing.PlaceZeros(0, missing.CopyRemaining().PageCount));
        Assert.Equal(MigrationErrorReason.VmExited, gone.Reason);
    }

    [Fact]
    public async Task A_guest_that_waits_for_a_page_which_turns_out_poisoned_has_a_machine_check()
    {
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.SequentialWriter, vcpuCount: 1));
        using MissingPages missing = await vm.StartPostcopyAsync(All(vm), Cancelled);
        await vm.ResumeAsync(Cancelled);
        missing.PlacePoisoned(missing.WaitForTouch(Cancelled));
        Assert.Equal("the guest touched the poisoned page at 0x0", await vm.Exited.WaitAsync(patience, Cancelled));
    }

    [Fact]
    public async Task Only_a_vm_whose_memory_is_complete_can_go_on_to_another_host()
    {
        await using EmbeddedVirtualMachine vm = await MakePausedAsync(Specification(GuestProgramKind.Idle));
        Assert.Null(vm.Capabilities.PostcopyRefused);
        using MissingPages missing = await vm.StartPostcopyAsync(All(vm), Cancelled);
        await vm.ResumeAsync(Cancelled);
        var refused = await Assert.ThrowsAsync<MigrationException>(() => vm.StartWriteTraceAsync(4096, Cancelled));
        Assert.Equal(MigrationErrorReason.InvalidState, refused.Reason);
        missing.PlaceZeros(0, vm.Memory.PageCount);
        (await vm.StartWriteTraceAsync(4096, Cancelled)).Dispose();
    }

    [Fact]
    public async Task Pages_are_taken_only_from_a_vm_that_stands_is_not_traced_and_is_complete()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        await AssertRefusedAsync(vm, MigrationErrorReason.InvalidState, All(vm));
        await vm.PauseAsync(Cancelled);
        await AssertRefusedAsync(vm, MigrationErrorReason.InvalidArgument, new PageSet(1));
        using (await vm.StartWriteTraceAsync(4096, Cancelled)) await AssertRefusedAsync(vm, MigrationErrorReason.InvalidState, All(vm));
        using MissingPages missing = await vm.StartPostcopyAsync(All(vm), Cancelled);
        await AssertRefusedAsync(vm, MigrationErrorReason.InvalidState, All(vm));
    }

    private static async Task AssertRefusedAsync(EmbeddedVirtualMachine vm, MigrationErrorReason reason, PageSet pages) =>
        Assert.Equal(reason, (await Assert.ThrowsAsync<MigrationException>(() => vm.StartPostcopyAsync(pages, Cancelled))).Reason);

    private static PageSet All(EmbeddedVirtualMachine vm)
    {
        var all = new PageSet(vm.Memory.PageCount);
        all.AddRange(0, vm.Memory.PageCount);
        return all;
    }

    /// <summary>
    /// Makes the destination of a paused VM, with a random part of its pages there and the others missing and full of rubbish.
    /// </summary>
    private static async Task<(EmbeddedVirtualMachine Vm, MissingPages Missing)> TakeAsync(
        EmbeddedVirtualMachine source, double share, Random random)
    {
        EmbeddedVirtualMachine vm = await PrepareIncomingAsync(source.Specification);
        var missing = new PageSet(vm.Memory.PageCount);
        byte[] contents = new byte[GuestMemory.PageSizeBytes];
        for (long page = 0; page < missing.PageCount; page++)
        {
            source.Memory.TryRead(page << GuestMemory.PageShift, contents);
            if (random.NextDouble() < share)
            {
                missing.Add(page);
                contents.AsSpan().Fill(0xEE);
            }

            vm.Memory.Write(page << GuestMemory.PageShift, contents);
        }

        MissingPages pages = await vm.StartPostcopyAsync(missing, Cancelled);
        var state = new MemoryStream();
        await source.SaveStateAsync(state, StateContents.Devices, Cancelled);
        state.Position = 0;
        await vm.LoadStateAsync(state, Cancelled);
        return (vm, pages);
    }

    private static void Answer(EmbeddedVirtualMachine source, MissingPages missing)
    {
        byte[] contents = new byte[GuestMemory.PageSizeBytes];
        while (missing.WaitForTouch(Cancelled) is >= 0 and long page) Send(source, missing, page, contents);
    }

    private static void Send(EmbeddedVirtualMachine source, MissingPages missing, long page, byte[] contents)
    {
        source.Memory.TryRead(page << GuestMemory.PageShift, contents);
        missing.Place(page, contents);
    }
}
