using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Native;
using VmMigration.Functional.Tests.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.Migration;

/// <summary>A Linux guest on pages of 2 MiB, moved between two hosts on this machine.</summary>
[Collection(LargePageGroup.Name)]
public sealed class LargePageMigrationTests
{
    private static readonly TimeSpan migrationLimit = TimeSpan.FromMinutes(2);

    private static readonly MigrationOptions patient = new() { DowntimeLimit = TimeSpan.FromMilliseconds(300), VerifyMemory = true };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Large_pages_arrive_as_large_pages_there_and_back()
    {
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel);
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.TransparentHugePages);
        Assert.Null(vm.Capabilities!.LargePagesRefused);

        MigrationResult there = await MigrateAsync(pair.Source, vm.Specification.Id, pair.Destination, patient);
        AssertKept(there);
        AssertMounted(pair.SourceStateDirectory, false);
        AssertMounted(pair.DestinationStateDirectory, true);

        MigrationResult back = await MigrateAsync(pair.Destination, vm.Specification.Id, pair.Source, patient);

        AssertKept(back);
        AssertMounted(pair.SourceStateDirectory, true);
        AssertMounted(pair.DestinationStateDirectory, false);
        await QemuHostPair.AssertTicksAsync(pair.Source, vm.Specification.Id, Cancel);
        await pair.Source.StopVmAsync(vm.Specification.Id, force: true, Cancel);
        AssertMounted(pair.SourceStateDirectory, false);
    }

    [Fact]
    public async Task Reserved_large_pages_arrive_on_reserved_large_pages()
    {
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel);
        using var pages = new ReservedLargePages(2 * (256 >> 1));
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.HugeTlb);

        MigrationResult result = await MigrateAsync(pair.Source, vm.Specification.Id, pair.Destination, patient);

        Assert.Equal(1, result.LargePagesAtSource!.Share);
        Assert.Equal(1, result.LargePagesAtDestination!.Share);
        Assert.DoesNotContain(result.Fallbacks, fallback => fallback.Contains("large pages", StringComparison.Ordinal));
        Assert.True(result.MemoryVerified);
        await QemuHostPair.AssertTicksAsync(pair.Destination, vm.Specification.Id, Cancel);
        await pair.Destination.StopVmAsync(vm.Specification.Id, force: true, Cancel);
    }

    [Fact]
    public async Task A_destination_without_enough_reserved_pages_warns_takes_small_ones_and_says_so()
    {
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel);
        using var pages = new ReservedLargePages(256 >> 1);
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.HugeTlb);

        PreflightReport report = await MigrationBroker.CheckAsync(pair.Source, vm.Specification.Id, pair.Destination, patient, Cancel);
        MigrationResult result = await MigrateAsync(pair.Source, vm.Specification.Id, pair.Destination, patient);

        PreflightFinding warning = Assert.Single(report.Findings, finding => finding.Check == "DestinationLargePages");
        Assert.Equal(PreflightSeverity.Warning, warning.Severity);
        Assert.Contains("vm.nr_hugepages", warning.Message, StringComparison.Ordinal);
        Assert.Contains(result.Fallbacks, fallback => fallback.StartsWith("No large pages were kept", StringComparison.Ordinal));
        Assert.Equal(0, result.LargePagesAtDestination!.LargeBytes);
        Assert.True(result.MemoryVerified);
        await QemuHostPair.AssertTicksAsync(pair.Destination, vm.Specification.Id, Cancel);
    }

    [Theory]
    [InlineData(true, "large pages of shared memory")]
    [InlineData(false, "the right to mount")]
    public async Task A_destination_without_a_tmpfs_of_large_pages_warns_takes_small_ones_and_says_so(bool mayMount, string reason)
    {
        KernelFeatures features = KernelFeatures.Probe() with { Mount = mayMount, HugeTmpfs = !mayMount };
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel, destinationFeatures: features);
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.TransparentHugePages);

        PreflightReport report = await MigrationBroker.CheckAsync(pair.Source, vm.Specification.Id, pair.Destination, patient, Cancel);
        MigrationResult result = await MigrateAsync(pair.Source, vm.Specification.Id, pair.Destination, patient);

        Assert.Contains(report.Findings, finding =>
            finding is { Severity: PreflightSeverity.Warning, Check: "DestinationLargePages" }
            && finding.Message.Contains(reason, StringComparison.Ordinal));
        string fallback = Assert.Single(result.Fallbacks, text => text.StartsWith("No large pages were kept", StringComparison.Ordinal));
        Assert.Contains(reason, fallback, StringComparison.Ordinal);
        Assert.Equal(0, result.LargePagesAtDestination!.LargeBytes);
        AssertMounted(pair.DestinationStateDirectory, false);
        Assert.True(result.MemoryVerified);

        // The wish travels on: the next host may be able to fulfil it.
        VmDescription arrived = await pair.Destination.GetVmAsync(vm.Specification.Id, Cancel);
        Assert.Equal(MemoryBacking.TransparentHugePages, arrived.Specification.Backing);
    }

    [Fact]
    public async Task Large_pages_that_are_not_to_be_kept_are_lost()
    {
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel);
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.TransparentHugePages);

        MigrationResult result = await MigrateAsync(
            pair.Source, vm.Specification.Id, pair.Destination, patient with { PreserveLargePages = false });

        Assert.Equal(1, result.LargePagesAtSource!.Share, 0.01);
        Assert.Equal(0, result.LargePagesAtDestination!.LargeBytes);
        Assert.Contains("No large pages were kept: it was switched off.", result.Fallbacks);
        AssertMounted(pair.DestinationStateDirectory, false);
    }

    [Fact]
    public async Task A_migration_that_rolls_back_leaves_the_source_its_large_pages_and_nothing_mounted_at_the_destination()
    {
        await using QemuHostPair pair = await QemuHostPair.OpenAsync(Cancel);
        VmDescription vm = await pair.BootAsync(Cancel, MemoryBacking.TransparentHugePages);

        // Slow enough to be cancelled while pages travel and the guest writes.
        MigrationStatus status = await MigrationBroker.StartAsync(
            pair.Source, vm.Specification.Id, pair.Destination, patient with { MaxBytesPerSecond = 20_000_000 }, Cancel);
        await foreach (MigrationStatus next in pair.Source.WatchMigrationAsync(status.Id, Cancel))
        {
            status = next;
            if (next is { State: MigrationState.Precopy, Progress.BytesSent: > 10_000_000 })
            {
                await pair.Source.CancelMigrationAsync(status.Id, Cancel);
            }
        }

        Assert.Equal(MigrationState.RolledBack, status.State);
        LargePageCoverage? after = await pair.Source.ReadLargePagesAsync(vm.Specification.Id, Cancel);
        Assert.InRange(after!.Share, 0.99, 1);
        await QemuHostPair.AssertTicksAsync(pair.Source, vm.Specification.Id, Cancel);
        await pair.AssertDestinationIsCleanAsync(Cancel);
        AssertMounted(pair.DestinationStateDirectory, false);
    }

    private static void AssertKept(MigrationResult result)
    {
        Assert.Equal(1, result.LargePagesAtSource!.Share, 0.01);
        Assert.InRange(result.LargePagesAtDestination!.Share, 0.99, 1);
        Assert.InRange(result.LargePagesAtDestination.LargeBytes, 0.99 * result.LargePagesAtSource.LargeBytes, double.MaxValue);
        Assert.True(result.MemoryVerified);
        Assert.InRange(result.PagesUnchanged, 1, long.MaxValue);
        Assert.DoesNotContain(result.Fallbacks, fallback => fallback.Contains("large pages", StringComparison.Ordinal));
    }

    private static void AssertMounted(string stateDirectory, bool expected) => Assert.Equal(
        expected, File.ReadAllText("/proc/self/mountinfo").Contains(stateDirectory + "/ram-huge", StringComparison.Ordinal));

    private static async Task<MigrationResult> MigrateAsync(LocalHost source, Guid vmId, LocalHost destination, MigrationOptions options)
    {
        MigrationStatus status = await MigrationBroker.StartAsync(source, vmId, destination, options, Cancel)
            .WaitAsync(migrationLimit, Cancel);
        await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.True(status.State == MigrationState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        MigrationResult result = status.Result!;
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"source {result.LargePagesAtSource}, pause {result.LargePagesAtPause}, destination {result.LargePagesAtDestination};"
            + $" sent {result.BytesSent >> 20} MiB, unchanged {result.PagesUnchanged},"
            + $" populated {result.PagesPopulated} in {result.PopulationTime},"
            + $" total {result.TotalTime}, downtime {result.Downtime}");
        return result;
    }
}
