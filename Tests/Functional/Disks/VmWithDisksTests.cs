using System.Net;
using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
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
        MigrationStatus ended = await DiskHosts.FollowAsync(hosts.Source, started, status => states.Add(status.State), Cancellation);

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
        IReadOnlyList<QemuDisk> disks = await DiskHosts.WaitForMergeAsync(hosts.Destination, id, Cancellation);
        Assert.Equal(result.Disks.Select(disk => disk.DestinationPath), disks.Select(disk => disk.Path));
        Assert.Equal(["data.raw", "read-only.raw", "system.qcow2"],
            Directory.GetFiles(hosts.DestinationStore).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        await MoveBackAsync(hosts, id);
        disks = await DiskHosts.WaitForMergeAsync(hosts.Source, id, Cancellation);
        await DiskHosts.WaitForTicksAsync(hosts.Source, id, 2, Cancellation);
        await hosts.Source.StopVmAsync(id, force: false, Cancellation);
        Assert.All(disks, disk => Assert.StartsWith(Path.Combine(hosts.SourceStore, "back"), disk.Path));
        Assert.InRange(await DiskGuest.CheckAsync(disks[0].Path, hosts.Scratch, Cancellation), 3, 40);
        Assert.InRange(await DiskGuest.CheckAsync(disks[1].Path, hosts.Scratch, Cancellation), 3, 40);
    }

    /// <summary>The files it left are in its way, and are not touched; in another directory there is room. By post-copy this time.</summary>
    private static async Task MoveBackAsync(DiskHosts hosts, Guid id)
    {
        PreflightReport taken = await MigrationBroker.CheckAsync(hosts.Destination, id, hosts.Source, Options, Cancellation);
        Assert.Equal(3, taken.Findings.Count(finding => finding is { Check: "DestinationDisks", Severity: PreflightSeverity.Error }));
        MigrationOptions elsewhere = Options with { DiskDirectory = "back", RemoveSourceDisks = true, Postcopy = PostcopyPolicy.AfterFirstPass };
        MigrationStatus started = await MigrationBroker.StartAsync(hosts.Destination, id, hosts.Source, elsewhere, Cancellation);
        MigrationStatus ended = await DiskHosts.FollowAsync(hosts.Destination, started, null, Cancellation);
        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.NotNull(ended.Result!.Postcopy);
        Assert.All(ended.Result.Disks.Take(2), disk => Assert.Empty(disk.FilesLeftAtSource));
        Assert.Equal(["read-only.raw"], Directory.GetFiles(hosts.DestinationStore).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_link_cut_half_way_through_the_copy_costs_the_next_try_only_what_was_missing()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync(Cancellation);
        VmDescription vm = await hosts.BootAsync(64 * MiB, Cancellation);
        Guid id = vm.Specification.Id;
        MigrationStatus cut = await CutHalfWayAsync(hosts, vm);

        Assert.Equal(MigrationState.RolledBack, cut.State);
        Assert.Equal(MigrationErrorReason.ConnectionLost, cut.ErrorReason);
        Assert.Equal(VmState.Running, (await hosts.Source.GetVmAsync(id, Cancellation)).State);
        await DiskHosts.WaitForTicksAsync(hosts.Source, id, 2, Cancellation);
        IReadOnlyList<QemuDisk> frozen = (await hosts.Source.GetVmAsync(id, Cancellation)).Specification.Qemu!.Disks;
        DiskFragment fragment = await hosts.WaitForFragmentAsync(Cancellation);
        Assert.Equal(frozen[0].Base!.Path, fragment.Source.Path);
        Assert.Empty(await hosts.Destination.ListVmsAsync(Cancellation));
        Assert.Empty(Directory.GetFiles(hosts.DestinationStore));

        // What was written meanwhile is in the overlay: a VM that is stopped and started has it.
        await hosts.Source.StopVmAsync(id, force: false, Cancellation);
        await hosts.Source.StartVmAsync(id, Cancellation);
        await DiskHosts.WaitForTicksAsync(hosts.Source, id, 2, Cancellation);

        MigrationStatus again = await MigrationBroker.StartAsync(hosts.Source, id, hosts.Destination, Options, Cancellation);
        MigrationStatus ended = await DiskHosts.FollowAsync(hosts.Source, again, null, Cancellation);

        Assert.True(ended.State == MigrationState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        VmDiskResult first = ended.Result!.Disks[0];
        Assert.Equal(fragment.Id, first.Resumption!.FragmentId);
        Assert.Equal(DiskResumptionKind.Continued, first.Resumption.Kind);
        long rest = first.SizeBytes - fragment.OffsetBytes;
        Assert.True(first.BytesSent <= rest + (16 * MiB), $"{first.BytesSent} bytes were sent for the {rest} that were missing.");
        Assert.Equal(frozen.Take(2).Select(disk => disk.Path), ended.Result.Disks.Take(2).Select(disk => disk.FilesLeftAtSource[1]));

        IReadOnlyList<QemuDisk> disks = await DiskHosts.WaitForMergeAsync(hosts.Destination, id, Cancellation);
        await DiskHosts.WaitForTicksAsync(hosts.Destination, id, 2, Cancellation);
        await hosts.Destination.StopVmAsync(id, force: false, Cancellation);
        Assert.InRange(await DiskGuest.CheckAsync(disks[0].Path, hosts.Scratch, Cancellation), 3, 40);
        Assert.InRange(await DiskGuest.CheckAsync(disks[1].Path, hosts.Scratch, Cancellation), 3, 40);
    }

    private static async Task<MigrationStatus> CutHalfWayAsync(DiskHosts hosts, VmDescription vm)
    {
        MigrationOptions slowly = Options with { MaxBytesPerSecond = 24 * MiB };
        var incoming = new IncomingRequest(Guid.NewGuid(), vm.Specification, StateContents.Devices, slowly, hosts.Source.Name);
        IncomingOffer offer = await hosts.Destination.PrepareIncomingAsync(incoming, Cancellation);
        await using var proxy = new CuttingProxy(new(IPAddress.Parse(offer.Address), offer.Port), long.MaxValue);
        MigrationStatus started = await hosts.Source.StartMigrationAsync(
            new(vm.Specification.Id, offer with { Port = proxy.Endpoint.Port }, incoming.Contents, slowly), Cancellation);
        return await DiskHosts.FollowAsync(hosts.Source, started, status =>
        {
            if (status.Progress.Disks is [{ } first, ..] && first.DoneBytes > first.SizeBytes / 2) proxy.Cut();
        }, Cancellation);
    }
}
