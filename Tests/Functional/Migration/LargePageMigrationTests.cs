using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
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
        MigrationStatus status = await MigrationBroker.StartAsync(source, vmId, destination, options, Cancel).WaitAsync(migrationLimit, Cancel);
        await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, Cancel)) status = next;
        Assert.True(status.State == MigrationState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        MigrationResult result = status.Result!;
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"source {result.LargePagesAtSource}, pause {result.LargePagesAtPause}, destination {result.LargePagesAtDestination};"
            + $" sent {result.BytesSent >> 20} MiB, unchanged {result.PagesUnchanged}, populated {result.PagesPopulated} in {result.PopulationTime},"
            + $" total {result.TotalTime}, downtime {result.Downtime}");
        return result;
    }
}
