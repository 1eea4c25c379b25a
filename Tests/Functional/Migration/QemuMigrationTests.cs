using System.Diagnostics;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Tests.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

public class QemuMigrationTests
{
    private static readonly MigrationOptions verified = new() { VerifyMemory = true };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_linux_guest_moves_there_and_back_while_it_writes_memory_and_goes_on_ticking()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        Guid id = vm.Specification.Id;

        MigrationStatus there = await MigrateAsync(hosts.Source, hosts.Destination, id, verified);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, id, Cancellation);
        MigrationStatus back = await MigrateAsync(hosts.Destination, hosts.Source, id, verified);
        await QemuHostPair.AssertTicksAsync(hosts.Source, id, Cancellation);

        foreach (MigrationResult result in new[] { there.Result!, back.Result! })
        {
            Assert.True(result.MemoryVerified);
            Assert.Equal(WriteTraceMechanism.AdaptiveWriteProtect, result.WriteTraceMechanism);
            Assert.InRange(result.TraceFaults, 1, long.MaxValue);
            Assert.InRange(result.TraceStallTime, TimeSpan.FromTicks(1), result.TotalTime);
            Assert.Contains(result.PassDetails, pass => pass.DirtyBytes > 0);
            Assert.True(result.PagesPopulated > 96 * 256, $"{result.PagesPopulated} pages populated");
            Assert.True(result.PagesZero > 0 && result.PagesData >= 96 * 256);
            Assert.NotNull(result.FaultsAfterResume);
            Assert.Empty(result.Fallbacks);
        }

        await hosts.AssertDestinationIsCleanAsync(Cancellation);
    }

    [Theory]
    [InlineData(4 << 10, WriteTraceMechanism.AsyncWriteProtect)]
    [InlineData(64 << 10, WriteTraceMechanism.SyncWriteProtect)]
    [InlineData(2 << 20, WriteTraceMechanism.SyncWriteProtect)]
    [InlineData(1 << 30, WriteTraceMechanism.SyncWriteProtect)]
    public async Task In_whatever_unit_writes_are_traced_the_memory_arrives_whole(int granularityBytes, WriteTraceMechanism mechanism)
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);

        // Sent again whole, 256 MiB do not fit into any short downtime.
        MigrationResult result = (await MigrateAsync(hosts.Source, hosts.Destination, vm.Specification.Id, verified with
        {
            WriteTraceGranularityBytes = granularityBytes, DowntimeLimit = TimeSpan.FromSeconds(granularityBytes == 1 << 30 ? 5 : 0.3),
        })).Result!;

        Assert.True(result.MemoryVerified);
        Assert.Equal((mechanism, granularityBytes), (result.WriteTraceMechanism, result.WriteTraceGranularityBytes));
        Assert.Empty(result.Fallbacks);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, vm.Specification.Id, Cancellation);
    }

    [Fact]
    public async Task Without_population_the_guest_pays_more_page_faults_after_it_resumes()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        MigrationResult with = (await MigrateAsync(hosts.Source, hosts.Destination, vm.Specification.Id, verified)).Result!;
        MigrationResult without = (await MigrateAsync(
            hosts.Destination, hosts.Source, vm.Specification.Id, verified with { PopulatePageTables = false })).Result!;

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"faults in the first second: {with.FaultsAfterResume} populated, {without.FaultsAfterResume} not");
        Assert.Equal(0, without.PagesPopulated);
        Assert.Contains(without.Fallbacks, line => line.Contains("switched off", StringComparison.Ordinal));

        // The loop rewrites 16 MiB, 4096 pages, within the second.
        Assert.True(without.FaultsAfterResume > with.FaultsAfterResume + 2000);
    }

    [Fact]
    public async Task Qemus_own_migration_takes_over_where_the_engine_must_not_and_the_result_says_so()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        Guid id = vm.Specification.Id;
        MigrationOptions options = verified with { ForceHypervisorMigration = true };

        // A guest that stands still: under TCG QEMU 7.2 loses writes of one that runs, which the next test is about.
        await hosts.Source.PauseVmAsync(id, Cancellation);
        MigrationStatus status = await MigrateAsync(hosts.Source, hosts.Destination, id, options);

        Assert.True(status.Result!.MemoryVerified);
        Assert.Equal(WriteTraceMechanism.QemuDirtyLog, status.Result.WriteTraceMechanism);
        Assert.Contains(status.Result.Fallbacks, line => line.Contains("own migration", StringComparison.Ordinal));
        await hosts.Destination.ResumeVmAsync(id, Cancellation);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, id, Cancellation);
    }

    [Fact]
    public async Task What_qemus_own_migration_loses_is_found_by_the_comparison_and_rolled_back()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        MigrationStatus started = await MigrationBroker.StartAsync(
            hosts.Source, vm.Specification.Id, hosts.Destination, verified with { ForceHypervisorMigration = true }, Cancellation);

        MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);

        // Whether QEMU loses a write is a race of its own; that a loss never goes unnoticed is not.
        TestContext.Current.TestOutputHelper!.WriteLine($"{ended.State} {ended.ErrorReason} {ended.ErrorMessage}");
        bool completed = ended.State == MigrationState.Completed;
        Assert.True(completed ? ended.Result!.MemoryVerified : ended.ErrorReason == MigrationErrorReason.MemoryMismatch, ended.ErrorMessage);
        await QemuHostPair.AssertTicksAsync(completed ? hosts.Destination : hosts.Source, vm.Specification.Id, Cancellation);
        if (!completed) await hosts.AssertDestinationIsCleanAsync(Cancellation);
    }

    [Fact]
    public async Task A_paused_guest_arrives_paused()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        await hosts.Source.PauseVmAsync(vm.Specification.Id, Cancellation);

        await MigrateAsync(hosts.Source, hosts.Destination, vm.Specification.Id, verified);

        Assert.Equal(VmState.Paused, (await hosts.Destination.GetVmAsync(vm.Specification.Id, Cancellation)).State);
        await hosts.Destination.ResumeVmAsync(vm.Specification.Id, Cancellation);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, vm.Specification.Id, Cancellation);
    }

    [Fact]
    public async Task Killing_the_destinations_qemu_at_any_moment_leaves_the_source_running_and_nothing_behind()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        var random = new Random(1);
        await FailRepeatedlyAsync(hosts, vm, async () =>
        {
            // At 150 MB/s the guest's 96 MiB take longer than the longest wait: no kill comes after the commit.
            MigrationStatus status = await hosts.StartAsync(
                vm, verified with { MaxBytesPerSecond = 150_000_000 }, StateContents.Devices, null, Cancellation);
            VmDescription incoming = await hosts.Destination.GetVmAsync(vm.Specification.Id, Cancellation);
            await Task.Delay(random.Next(0, 600), Cancellation);
            using Process victim = Process.GetProcessById(incoming.Instance!.ProcessId!.Value);
            victim.Kill();
            return status.Id;
        });
    }

    [Fact]
    public async Task Cutting_the_connection_at_any_byte_leaves_the_source_running_and_nothing_behind()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        var random = new Random(2);
        CuttingProxy? proxy = null;
        await FailRepeatedlyAsync(hosts, vm, async () =>
        {
            if (proxy is not null) await proxy.DisposeAsync();
            MigrationStatus status = await hosts.StartAsync(vm, verified, StateContents.Devices, offer =>
            {
                proxy = new(new(System.Net.IPAddress.Parse(offer.Address), offer.Port), random.NextInt64(0, 96 << 20));
                return offer with { Port = proxy.Endpoint.Port };
            }, Cancellation);
            return status.Id;
        });
        await proxy!.DisposeAsync();
    }

    [Fact]
    public async Task A_full_ram_file_system_at_the_destination_leaves_the_source_running_and_nothing_behind()
    {
        DirectoryInfo mount = Directory.CreateTempSubdirectory("vmm-ram-");
        Run("mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", mount.FullName);
        try
        {
            await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation, mount.FullName);
            VmDescription vm = await hosts.BootAsync(Cancellation);
            string filler = Path.Combine(mount.FullName, "filler");

            // There is room when the incoming VM is made; something else takes it before the memory arrives.
            MigrationStatus started = await hosts.StartAsync(vm, verified, StateContents.Devices, offer =>
            {
                using FileStream file = File.Create(filler);
                file.Write(new byte[260 << 20]);
                return offer;
            }, Cancellation);
            MigrationStatus ended = await hosts.WaitAsync(started.Id, Cancellation);
            PreflightReport report = await MigrationBroker.CheckAsync(hosts.Source, vm.Specification.Id, hosts.Destination, verified, Cancellation);
            File.Delete(filler);

            Assert.Equal(MigrationState.RolledBack, ended.State);
            Assert.Equal(MigrationErrorReason.OutOfSpace, ended.ErrorReason);
            Assert.False(report.CanMigrate);
            await QemuHostPair.AssertTicksAsync(hosts.Source, vm.Specification.Id, Cancellation);
            await hosts.AssertDestinationIsCleanAsync(Cancellation);
        }
        finally
        {
            Run("umount", mount.FullName);
            mount.Delete();
        }
    }

    [Fact]
    public async Task A_cancelled_migration_leaves_the_source_running_at_full_speed()
    {
        await using QemuHostPair hosts = await QemuHostPair.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(Cancellation);
        MigrationStatus started = await hosts.StartAsync(
            vm, verified with { MaxBytesPerSecond = 10_000_000 }, StateContents.Devices, null, Cancellation);
        await Task.Delay(300, Cancellation);

        MigrationStatus ended = await hosts.Source.CancelMigrationAsync(started.Id, Cancellation);

        Assert.Equal(MigrationState.RolledBack, ended.State);
        Assert.Equal(MigrationErrorReason.Cancelled, ended.ErrorReason);
        await QemuHostPair.AssertTicksAsync(hosts.Source, vm.Specification.Id, Cancellation);
        await hosts.AssertDestinationIsCleanAsync(Cancellation);
    }

    /// <summary>Fails migrations of one guest six times over, then completes one: no failure may have spoilt the source.</summary>
    private static async Task FailRepeatedlyAsync(QemuHostPair hosts, VmDescription vm, Func<Task<Guid>> startAndBreak)
    {
        for (int round = 0; round < 6; round++)
        {
            MigrationStatus ended = await hosts.WaitAsync(await startAndBreak(), Cancellation);
            Assert.Equal(MigrationState.RolledBack, ended.State);
            Assert.False(string.IsNullOrEmpty(ended.ErrorMessage));
            await QemuHostPair.AssertTicksAsync(hosts.Source, vm.Specification.Id, Cancellation);
            await hosts.AssertDestinationIsCleanAsync(Cancellation);
        }

        await MigrateAsync(hosts.Source, hosts.Destination, vm.Specification.Id, verified);
        await QemuHostPair.AssertTicksAsync(hosts.Destination, vm.Specification.Id, Cancellation);
    }

    private static async Task<MigrationStatus> MigrateAsync(LocalHost source, LocalHost destination, Guid vmId, MigrationOptions options)
    {
        MigrationStatus started = await MigrationBroker.StartAsync(source, vmId, destination, options, Cancellation);
        MigrationStatus last = started;
        await foreach (MigrationStatus status in source.WatchMigrationAsync(started.Id, Cancellation)) last = status;
        Assert.True(last.State == MigrationState.Completed, $"{last.State}: {last.ErrorReason}: {last.ErrorMessage}");
        return last;
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
