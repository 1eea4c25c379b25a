using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>What hosts do around the transfers of their disks.</summary>
public sealed class LocalHostDisksTests : IDisposable
{
    private const int Blocks = 64;
    private const long SlowBytesPerSecond = 8 << 20;

    private readonly ScratchDirectory scratch = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_disk_arrives_under_its_own_name_and_the_transfer_is_known_after_a_restart_of_its_source()
    {
        DiskTransferStatus status;
        await using (LocalHost destination = await OpenAsync("b"))
        {
            await using LocalHost source = await OpenAsync("a");
            byte[] contents = await WriteAsync("a", "disk.img");
            status = await DiskTransferBroker.StartAsync(source, "disk.img", destination, null, new(), MobilityPathChoice.Direct, Cancel);
            DiskTransferStatus ended = await FollowAsync(source, status.Id);
            Assert.True(ended.State == DiskTransferState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
            Assert.Equal(DiskPath("b", "disk.img"), ended.DestinationPath);
            Assert.Equal(Blocks << 20, ended.SizeBytes);
            Assert.Null(ended.Notice);
            Assert.Equal(contents, await File.ReadAllBytesAsync(DiskPath("b", "disk.img"), Cancel));
            Assert.Empty(await destination.Disks.ListDiskFragmentsAsync(Cancel));
        }

        await using LocalHost again = await OpenAsync("a");
        DiskTransferStatus kept = Assert.Single(await again.Disks.ListDiskTransfersAsync(Cancel));
        Assert.Equal(DiskTransferState.Completed, kept.State);
        Assert.Equal(kept, await again.Disks.GetDiskTransferAsync(status.Id, Cancel));
        Assert.Equal(kept, await FollowAsync(again, status.Id));
    }

    [Fact]
    public async Task A_transfer_that_its_sources_engine_did_not_survive_is_reported_as_failed_with_what_to_do()
    {
        DiskTransferStatus lost = Status(DiskTransferState.Transferring);
        await using (LocalHostParts parts = await OpenPartsAsync("a")) parts.Journal.Disks.SaveTransfer(lost);

        await using LocalHost again = await OpenAsync("a");
        DiskTransferStatus status = await again.Disks.GetDiskTransferAsync(lost.Id, Cancel);
        Assert.Equal(DiskTransferState.Failed, status.State);
        Assert.Equal(MigrationErrorReason.ConnectionLost, status.ErrorReason);
        Assert.NotNull(status.EndedAt);
        Assert.Contains("Start the transfer again", status.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains("'b'", status.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Closing_the_source_stops_its_transfer_and_a_resumption_goes_on_from_the_fragment()
    {
        await using LocalHost destination = await OpenAsync("b");
        byte[] contents;
        DiskTransferStatus status;
        await using (LocalHost source = await OpenAsync("a"))
        {
            contents = await WriteAsync("a", "disk.img");
            status = await StartSlowlyAsync(source, destination, "sub/copy.img");
        }

        DiskFragment fragment = Assert.Single(await destination.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.Equal(status.Id, fragment.Id);
        Assert.InRange(fragment.OffsetBytes, 1 << 20, (Blocks - 1) << 20);
        await using LocalHost again = await OpenAsync("a");
        Assert.Equal(DiskTransferState.Cancelled, (await again.Disks.GetDiskTransferAsync(status.Id, Cancel)).State);
        DiskTransferStatus resumed = await DiskTransferBroker.ResumeAsync(again, destination, fragment.Id, new(), MobilityPathChoice.Direct, Cancel);
        DiskTransferStatus ended = await FollowAsync(again, resumed.Id);
        Assert.True(ended.State == DiskTransferState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Equal(DiskResumptionKind.Continued, ended.Resumption.Kind);
        Assert.Equal(fragment.OffsetBytes, ended.Resumption.OffsetBytes);
        Assert.InRange(ended.DataBytes, 0, (Blocks << 20) - fragment.OffsetBytes);
        Assert.Equal(contents, await File.ReadAllBytesAsync(DiskPath("b", "sub/copy.img"), Cancel));
        Assert.Empty(await destination.Disks.ListDiskFragmentsAsync(Cancel));
    }

    [Fact]
    public async Task Closing_the_destination_keeps_what_arrived_for_when_it_is_opened_again()
    {
        await using LocalHost source = await OpenAsync("a");
        await WriteAsync("a", "disk.img");
        DiskTransferStatus status;
        await using (LocalHost destination = await OpenAsync("b"))
        {
            status = await StartSlowlyAsync(source, destination);
        }

        await using LocalHost again = await OpenAsync("b");
        Assert.Equal(status.Id, Assert.Single(await again.Disks.ListDiskFragmentsAsync(Cancel)).Id);
        Assert.False(File.Exists(DiskPath("b", "disk.img")));
        await again.Disks.RemoveDiskFragmentAsync(status.Id, Cancel);
        Assert.Empty(Directory.GetFiles(DiskPath("b", ""), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_host_without_a_directory_of_its_own_leaves_no_fragments_in_a_datastore()
    {
        await using LocalHost source = await OpenAsync("a");
        await WriteAsync("a", "disk.img");
        string datastore = scratch.File("datastore");
        await using (LocalHost destination = await LocalHost.OpenAsync(new() { Name = "b", DatastoreDirectory = datastore }, Cancel))
        {
            await StartSlowlyAsync(source, destination);
        }

        Assert.True(Directory.Exists(datastore));
        Assert.Empty(Directory.EnumerateFileSystemEntries(datastore));
    }

    [Fact]
    public async Task A_transfer_is_suspended_resumed_and_cancelled_while_it_runs_and_not_afterwards()
    {
        await using LocalHost source = await OpenAsync("a");
        await using LocalHost destination = await OpenAsync("b");
        await WriteAsync("a", "disk.img");
        Guid id = (await StartSlowlyAsync(source, destination)).Id;
        Assert.Equal(DiskTransferState.Suspended, (await source.Disks.SuspendDiskTransferAsync(id, Cancel)).State);
        Assert.Equal(DiskTransferState.Transferring, (await source.Disks.ResumeDiskTransferAsync(id, Cancel)).State);
        DiskTransferStatus cancelled = await source.Disks.CancelDiskTransferAsync(id, Cancel);
        Assert.Equal(DiskTransferState.Cancelled, cancelled.State);
        Assert.Equal(id, cancelled.FragmentId);

        Assert.Equal(cancelled, await source.Disks.CancelDiskTransferAsync(id, Cancel));
        var suspending = await Assert.ThrowsAsync<MigrationException>(() => source.Disks.SuspendDiskTransferAsync(id, Cancel));
        var resuming = await Assert.ThrowsAsync<MigrationException>(() => source.Disks.ResumeDiskTransferAsync(id, Cancel));
        Assert.All([suspending, resuming], refusal => Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason));
        Assert.Contains("fragment", resuming.RecommendedAction, StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<MigrationException>(() => source.Disks.SuspendDiskTransferAsync(Guid.NewGuid(), Cancel));
        Assert.Equal(MigrationErrorReason.DiskTransferNotFound, unknown.Reason);
    }

    [Fact]
    public async Task A_withdrawn_offer_frees_its_path_and_a_second_one_for_it_is_refused_before()
    {
        await using LocalHost destination = await OpenAsync("b");
        IncomingDiskRequest request = StoreBench.Request();
        IncomingDiskOffer offer = await destination.Disks.PrepareIncomingDiskAsync(request, Cancel);
        Assert.Equal(request.TransferId, offer.Offer.MigrationId);
        Assert.Equal(DiskPath("b", "disk.img"), offer.DestinationPath);
        IncomingDiskRequest second = request with { TransferId = Guid.NewGuid() };
        var refusal = await Assert.ThrowsAsync<MigrationException>(() => destination.Disks.PrepareIncomingDiskAsync(second, Cancel));
        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);

        await destination.Disks.WithdrawIncomingDiskAsync(request.TransferId, Cancel);
        await destination.Disks.PrepareIncomingDiskAsync(second, Cancel);
        await destination.Disks.WithdrawIncomingDiskAsync(second.TransferId, Cancel);
        await destination.Disks.WithdrawIncomingDiskAsync(Guid.NewGuid(), Cancel);
    }

    [Fact]
    public async Task A_disk_that_is_being_written_is_neither_copied_nor_replaced()
    {
        var transport = new DescribingTransport(disk => disk with { IsBeingWritten = true });
        await using LocalHost source = await OpenAsync("a", transport);
        await using LocalHost destination = await OpenAsync("b", transport);
        await WriteAsync("a", "disk.img");
        var copying = await Assert.ThrowsAsync<MigrationException>(
            () => DiskTransferBroker.StartAsync(source, "disk.img", destination, null, new(), MobilityPathChoice.Direct, Cancel));
        Assert.Equal(MigrationErrorReason.DiskInUse, copying.Reason);

        // Whoever passes the broker over is refused by the source itself, and the destination by its own image.
        IncomingDiskOffer offer = await destination.Disks.PrepareIncomingDiskAsync(StoreBench.Request(), Cancel);
        var starting = await Assert.ThrowsAsync<MigrationException>(
            () => source.Disks.StartDiskTransferAsync(new("disk.img", offer, new()), Cancel));
        Assert.Equal(MigrationErrorReason.DiskInUse, starting.Reason);
        await WriteAsync("b", "used.img");
        var replacing = await Assert.ThrowsAsync<MigrationException>(
            () => destination.Disks.PrepareIncomingDiskAsync(StoreBench.Request("used.img", options: new() { Overwrite = true }), Cancel));
        Assert.Equal(MigrationErrorReason.DiskInUse, replacing.Reason);
        Assert.Empty(await source.Disks.ListDiskTransfersAsync(Cancel));
        await destination.Disks.WithdrawIncomingDiskAsync(offer.Offer.MigrationId, Cancel);
        Assert.Equal([DiskPath("b", "used.img")], Directory.GetFiles(DiskPath("b", "")));
    }

    [Fact]
    public async Task An_overlay_is_copied_alone_and_that_is_said()
    {
        var transport = new DescribingTransport(disk => disk with { BackingPath = "/images/base.qcow2" });
        await using LocalHost source = await OpenAsync("a", transport);
        await using LocalHost destination = await OpenAsync("b", transport);
        await WriteAsync("a", "disk.img");
        DiskTransferStatus status =
            await DiskTransferBroker.StartAsync(source, "disk.img", destination, null, new(), MobilityPathChoice.Direct, Cancel);
        Assert.Contains("overlay of '/images/base.qcow2', and only the overlay's file is copied", status.Notice, StringComparison.Ordinal);
        await FollowAsync(source, status.Id);
        Assert.Null(DiskNotice.Of(StoreBench.Source() with { BackingPath = "/b" }, new() { DestinationFormat = DiskFormat.Raw }));
    }

    [Fact]
    public async Task A_source_that_demands_tls_sends_no_disk_to_a_host_that_offers_plain_text()
    {
        await using LocalHost source = await OpenAsync("a", security: LinkSecurity.Tls);
        await using LocalHost destination = await OpenAsync("b", security: LinkSecurity.Plain);
        await WriteAsync("a", "disk.img");
        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => DiskTransferBroker.StartAsync(source, "disk.img", destination, null, new(), MobilityPathChoice.Direct, Cancel));
        Assert.Equal(MigrationErrorReason.LinkRefused, refusal.Reason);
        IncomingDiskOffer offer = await destination.Disks.PrepareIncomingDiskAsync(StoreBench.Request(), Cancel);
        var starting = await Assert.ThrowsAsync<MigrationException>(
            () => source.Disks.StartDiskTransferAsync(new("disk.img", offer, new()), Cancel));
        Assert.Equal(MigrationErrorReason.LinkRefused, starting.Reason);
    }

    [Fact]
    public async Task A_fragment_is_resumed_from_its_own_source_only()
    {
        await using LocalHost source = await OpenAsync("a");
        await using LocalHost destination = await OpenAsync("b");
        await WriteAsync("a", "disk.img");
        Guid id = (await StartSlowlyAsync(source, destination)).Id;
        await source.Disks.CancelDiskTransferAsync(id, Cancel);
        var other = await Assert.ThrowsAsync<MigrationException>(
            () => DiskTransferBroker.ResumeAsync(destination, destination, id, new(), MobilityPathChoice.Direct, Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, other.Reason);
        Assert.Contains("'a'", other.RecommendedAction, StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<MigrationException>(
            () => DiskTransferBroker.ResumeAsync(source, destination, Guid.NewGuid(), new(), MobilityPathChoice.Direct, Cancel));
        Assert.Equal(MigrationErrorReason.DiskFragmentNotFound, unknown.Reason);
    }

    [Fact]
    public async Task A_closed_host_refuses_what_is_asked_of_its_disks()
    {
        LocalHost host = await OpenAsync("a");
        await host.DisposeAsync();
        Func<Task>[] calls =
        [
            () => host.Disks.DescribeDiskAsync("disk.img", Cancel), () => host.Disks.ListDiskTransfersAsync(Cancel),
            () => host.Disks.ListDiskFragmentsAsync(Cancel), () => host.Disks.RemoveDiskFragmentAsync(Guid.NewGuid(), Cancel),
            () => host.Disks.PrepareIncomingDiskAsync(StoreBench.Request(), Cancel),
            () => host.Disks.CancelDiskTransferAsync(Guid.NewGuid(), Cancel),
        ];
        foreach (Func<Task> call in calls)
        {
            Assert.Equal(MigrationErrorReason.InvalidState, (await Assert.ThrowsAsync<MigrationException>(call)).Reason);
        }
    }

    private static DiskTransferStatus Status(DiskTransferState state) => new()
    {
        Id = Guid.NewGuid(),
        SourceHostName = "a",
        SourcePath = "/images/disk.img",
        DestinationHostName = "b",
        DestinationPath = "/disks/disk.img",
        Options = new(),
        State = state,
        StartedAt = DateTimeOffset.UtcNow,
        SizeBytes = 1 << 20,
    };

    private static async Task<DiskTransferStatus> FollowAsync(LocalHost host, Guid id)
    {
        DiskTransferStatus? last = null;
        await foreach (DiskTransferStatus status in host.Disks.WatchDiskTransferAsync(id, Cancel)) last = status;
        return last!;
    }

    /// <summary>Starts a transfer that takes seconds, and waits until part of the disk is there for good.</summary>
    private static async Task<DiskTransferStatus> StartSlowlyAsync(LocalHost source, LocalHost destination, string? path = null)
    {
        DiskTransferStatus started = await DiskTransferBroker.StartAsync(
            source, "disk.img", destination, path, new() { MaxBytesPerSecond = SlowBytesPerSecond }, MobilityPathChoice.Direct, Cancel);
        await foreach (DiskTransferStatus status in source.Disks.WatchDiskTransferAsync(started.Id, Cancel))
        {
            if (status.DurableOffsetBytes > 0) return status;
        }

        throw new InvalidOperationException("It ended before it could be interrupted.");
    }

    private async Task<LocalHost> OpenAsync(string name, IDiskTransport? transport = null, LinkSecurity? security = null) =>
        new(await OpenPartsAsync(name, transport, security));

    private Task<LocalHostParts> OpenPartsAsync(string name, IDiskTransport? transport = null, LinkSecurity? security = null) =>
        LocalHostParts.OpenAsync(
            new() { Name = name, StateDirectory = scratch.File(name), LinkSecurity = security }, LocalHostParts.MakeHypervisors,
            parts => new LocalHostMigrations(parts), Cancel, transport);

    private string DiskPath(string host, string name) => Path.Combine(scratch.File(host), "disks", name);

    private async Task<byte[]> WriteAsync(string host, string name)
    {
        byte[] contents = SampleBlocks.Contents(Blocks);
        await File.WriteAllBytesAsync(DiskPath(host, name), contents, Cancel);
        return contents;
    }
}
