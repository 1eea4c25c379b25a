using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class LifecycleTests
{
    public enum Ending
    {
        Destroy,
        DestroyWhilePaused,
        DestroyWhileIncoming,
        DestroyWhileHalted,
        Dispose,
        Shutdown,
    }

    [Theory]
    [InlineData(Ending.Destroy, "destroyed")]
    [InlineData(Ending.DestroyWhilePaused, "destroyed")]
    [InlineData(Ending.DestroyWhileIncoming, "destroyed")]
    [InlineData(Ending.DestroyWhileHalted, "destroyed")]
    [InlineData(Ending.Dispose, "destroyed")]
    [InlineData(Ending.Shutdown, "shut down by its guest")]
    public async Task Every_ending_leaves_no_thread_and_no_memory_and_says_how_it_ended(Ending ending, string how)
    {
        VmSpecification specification = Specification(GuestProgramKind.Checksum);
        if (ending == Ending.DestroyWhileHalted) specification = specification.HaltingAfter(100);
        EmbeddedVirtualMachine vm =
            ending == Ending.DestroyWhileIncoming ? await PrepareIncomingAsync(specification) : await StartAsync(specification);
        Assert.True(vm.HasThreads);
        Assert.False(vm.Exited.IsCompleted);
        if (ending == Ending.DestroyWhilePaused) await vm.PauseAsync(Cancelled);
        if (ending == Ending.DestroyWhileHalted) await vm.Halted;
        if (ending == Ending.Shutdown) await vm.ShutdownAsync(TimeSpan.FromSeconds(5), Cancelled);
        else if (ending == Ending.Dispose) await vm.DisposeAsync();
        else await vm.DestroyAsync();

        Assert.False(vm.HasThreads);
        Assert.Equal(how, await vm.Exited.WaitAsync(TimeSpan.FromSeconds(5), Cancelled));
        Assert.Equal(VmState.Stopped, await vm.GetStateAsync(Cancelled));
        Assert.Equal(MigrationErrorReason.VmExited, Assert.Throws<MigrationException>(() => vm.Memory.TryRead(0, new byte[1])).Reason);
        await vm.DestroyAsync();
        await vm.DisposeAsync();
    }

    [Fact]
    public async Task Every_operation_on_an_ended_vm_says_that_it_ended()
    {
        EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        await vm.DestroyAsync();
        Func<Task>[] calls =
        [
            () => vm.PauseAsync(Cancelled),
            () => vm.ResumeAsync(Cancelled),
            () => vm.StartWriteTraceAsync(WriteTrace.AutoGranularity, Cancelled),
            () => vm.SaveStateAsync(Stream.Null, StateContents.Devices, Cancelled),
            () => vm.LoadStateAsync(Stream.Null, Cancelled),
            () => vm.SetVcpuShareAsync(0.5, Cancelled),
            () => vm.ShutdownAsync(TimeSpan.FromSeconds(1), Cancelled),
            () => vm.ReadRegistersAsync(Cancelled),
            () => Task.Run(() => vm.Memory.Write(0, new byte[1]), Cancelled),
            () => Task.Run(() => vm.Memory.ReceiveWindow(0, 1).Length, Cancelled),
        ];
        foreach (Func<Task> call in calls)
        {
            Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(call)).Reason);
        }
    }

    [Fact]
    public async Task Destroying_a_vm_under_readers_and_writers_ends_them_with_a_clear_error()
    {
        for (int round = 0; round < 10; round++)
        {
            EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.SequentialWriter));
            using var inside = new CountdownEvent(4);
            Task[] users = [.. Enumerable.Range(0, 4).Select(user => Task.Factory.StartNew(
                () =>
                {
                    byte[] buffer = new byte[MiB];
                    inside.Signal();
                    while (true)
                    {
                        if (user % 2 == 0) Assert.Equal(buffer.Length, vm.Memory.TryRead(user * MiB, buffer));
                        else vm.Memory.Write(user * MiB, buffer);
                    }
                },
                Cancelled, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
            inside.Wait(Cancelled);
            await vm.DestroyAsync();
            foreach (Task user in users)
            {
                Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => user)).Reason);
            }
        }
    }

    [Fact]
    public async Task Thirty_vms_one_after_the_other_leave_neither_memory_nor_threads_behind()
    {
        using var process = Process.GetCurrentProcess();
        long before = process.PrivateMemorySize64;
        for (int i = 0; i < 30; i++)
        {
            VmSpecification specification = Specification(GuestProgramKind.SequentialWriter, 64 * MiB, vcpuCount: 4);
            await using EmbeddedVirtualMachine vm = await StartAsync(specification.HaltingAfter(64 * MiB / 4 / 8));
            await vm.Halted;
        }

        // All of them together wrote 1.9 GiB; the slack is for tests that run at the same time.
        process.Refresh();
        Assert.InRange(process.PrivateMemorySize64 - before, long.MinValue, 1024 * MiB);
    }

    [Fact]
    public async Task A_vm_of_64_busy_vcpus_takes_no_thread_of_the_pool()
    {
        await using EmbeddedVirtualMachine vm = await StartAsync(
            Specification(GuestProgramKind.Checksum, vcpuCount: 64).HaltingAfter(100_000));
        ThreadPool.GetMaxThreads(out int workers, out _);
        ThreadPool.GetAvailableThreads(out int available, out _);
        Assert.InRange(workers - available, 0, 32);
        await Task.Run(() => { }, Cancelled).WaitAsync(TimeSpan.FromSeconds(10), Cancelled);
        await vm.PauseAsync(Cancelled);
        Assert.Null(await vm.ReplayAsync());
    }

    [Fact]
    public async Task A_vm_ends_while_others_change_it()
    {
        EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Checksum));
        Task changes = Task.Run(
            async () =>
            {
                while (true)
                {
                    await vm.PauseAsync(Cancelled);
                    await vm.ResumeAsync(Cancelled);
                }
            },
            Cancelled);
        await vm.RunToAsync(1);
        await vm.DestroyAsync();
        Assert.Equal(MigrationErrorReason.VmExited, (await Assert.ThrowsAsync<MigrationException>(() => changes)).Reason);
        Assert.False(vm.HasThreads);
    }

    [Fact]
    public async Task The_hypervisor_says_what_it_can_and_cannot_do()
    {
        var hypervisor = new EmbeddedHypervisor();
        Assert.Equal(HypervisorKind.Embedded, hypervisor.Kind);
        Assert.Null(await hypervisor.FindObstacleAsync(Cancelled));
        VmSpecification specification = Specification(GuestProgramKind.Idle);
        await using EmbeddedVirtualMachine vm = await StartAsync(specification);
        Assert.Null(vm.Capabilities.EngineMigrationRefused);
        Assert.Null(vm.Capabilities.ThrottleRefused);
        Assert.NotNull(vm.Capabilities.PopulationRefused);
        Assert.Null(await vm.StartPopulationAsync(Cancelled));
        Assert.Null(vm.ReadPageFaults());
        Assert.Equal("embedded", vm.Instance.Accelerator);
        var gone = await Assert.ThrowsAsync<MigrationException>(() => hypervisor.AdoptAsync(specification, vm.Instance, Cancelled));
        Assert.Equal(MigrationErrorReason.VmExited, gone.Reason);
    }
}
