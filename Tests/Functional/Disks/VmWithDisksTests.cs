using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>A Linux guest that writes all the time moves with its disks between hosts that share no storage.</summary>
public class VmWithDisksTests
{
    private const long MiB = 1 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static MigrationOptions Options { get; } = new() { IncludeDisks = true };

    [Fact]
    public async Task A_guest_that_writes_all_the_time_arrives_with_whole_disks_and_one_file_for_each()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(32 * MiB, Cancellation);
        Guid id = vm.Specification.Id;
        PreflightReport report = await MigrationBroker.CheckAsync(hosts.Source, id, hosts.Destination, Options, Cancellation);
        Assert.True(report.CanMigrate, string.Join('\n', report.Findings));

        List<MigrationState> states = [];
        MigrationStatus started = await MigrationBroker.StartAsync(hosts.Source, id, hosts.Destination, Options, Cancellation);
        MigrationStatus ended = await hosts.FollowAsync(started, status => states.Add(status.State), Cancellation);

        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Contains(MigrationState.CopyingDisks, states);
        Assert.Empty(await hosts.Source.ListVmsAsync(Cancellation));
        MigrationResult result = ended.Result!;
        Assert.Equal(["disk0", "disk1", "disk2"], result.Disks.Select(disk => disk.Name));
        Assert.All(result.Disks.Take(2), disk => Assert.True(disk.BytesMirrored > 0, disk.ToString()));
        Assert.Equal(0, result.Disks[2].BytesMirrored);
        Assert.True(result.DowntimeParts.Disks > TimeSpan.Zero);
        Assert.All(result.Disks.SelectMany(disk => disk.FilesLeftAtSource), path => Assert.True(File.Exists(path), path));

        await DiskHosts.WaitForTicksAsync(hosts.Destination, id, 2, Cancellation);
        IReadOnlyList<QemuDisk> disks = await hosts.WaitForMergeAsync(id, Cancellation);
        Assert.Equal(result.Disks.Select(disk => disk.DestinationPath), disks.Select(disk => disk.Path));
        Assert.Equal(["data.raw", "read-only.raw", "system.qcow2"],
            Directory.GetFiles(hosts.DestinationStore).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        await DiskHosts.WaitForTicksAsync(hosts.Destination, id, 2, Cancellation);
        await hosts.Destination.StopVmAsync(id, force: false, Cancellation);
        Assert.InRange(await DiskGuest.CheckAsync(disks[0].Path, hosts.Scratch, Cancellation), 3, 40);
        Assert.InRange(await DiskGuest.CheckAsync(disks[1].Path, hosts.Scratch, Cancellation), 3, 40);
    }
}
