using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

/// <summary>Disks of hosts behind agents: what a session sees of their transfers, and that they go on without it.</summary>
public sealed class RemoteDiskTests : IAsyncLifetime
{
    private const int MiB = 1 << 20;

    private readonly ScratchDirectory directory = new();
    private RemoteHostPair pair = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => pair = await RemoteHostPair.OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await pair.DisposeAsync();
        directory.Dispose();
    }

    [Fact]
    public async Task A_disk_is_copied_between_two_agents_and_the_client_sees_every_state()
    {
        string disk = MakeDisk(5 * MiB);

        DiskTransferStatus started = await StartAsync(disk, new());
        List<DiskTransferState> states = await pair.Source.Disks.WatchDiskTransferAsync(started.Id, Cancel)
            .Select(status => status.State).ToListAsync(Cancel);

        Assert.Equal(DiskTransferState.Completed, states[^1]);
        Assert.Equal(states.Order(), states);
        DiskTransferStatus ended = await pair.Source.Disks.GetDiskTransferAsync(started.Id, Cancel);
        Assert.Equal(ended, Assert.Single(await pair.Source.Disks.ListDiskTransfersAsync(Cancel)));
        Assert.Equal((await pair.Destination.DescribeAsync(Cancel)).DatastoreDirectory, Path.GetDirectoryName(ended.DestinationPath));
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(ended.DestinationPath, Cancel));
        DiskDescription arrived = await pair.Destination.Disks.DescribeDiskAsync(Path.GetFileName(disk), Cancel);
        Assert.Equal((ended.DestinationPath, 5L * MiB), (arrived.Path, arrived.VirtualSizeBytes));
    }

    [Fact]
    public async Task A_watch_goes_on_after_the_connection_was_cut_and_sees_the_end()
    {
        DiskTransferStatus started = await StartSlowlyAsync();
        await using IAsyncEnumerator<DiskTransferStatus> watch = pair.Source.Disks.WatchDiskTransferAsync(started.Id, Cancel)
            .GetAsyncEnumerator(Cancel);
        Assert.True(await watch.MoveNextAsync());

        await pair.SourceAgent.CutAsync();
        await pair.SourceAgent.ListenAsync();

        DiskTransferStatus last = watch.Current;
        while (await watch.MoveNextAsync()) last = watch.Current;
        Assert.Equal(DiskTransferState.Completed, last.State);
    }

    [Fact]
    public async Task A_session_that_is_disconnected_leaves_the_transfer_going()
    {
        DiskTransferStatus started = await StartSlowlyAsync();
        await pair.Source.DisposeAsync();
        await pair.Destination.DisposeAsync();

        await using RemoteHost next = await pair.SourceAgent.ConnectAsync();
        DiskTransferStatus last = await next.Disks.WatchDiskTransferAsync(started.Id, Cancel).LastAsync(Cancel);

        Assert.Equal(DiskTransferState.Completed, last.State);
    }

    [Fact]
    public async Task A_transfer_is_suspended_resumed_and_stopped_and_its_fragment_is_gone_on_from()
    {
        string disk = MakeDisk(24 * MiB);
        DiskTransferStatus started = await StartAsync(disk, new() { MaxBytesPerSecond = 6 * MiB });
        await WaitForAsync(started.Id, status => status.State == DiskTransferState.Transferring);

        Assert.Equal(DiskTransferState.Suspended, (await pair.Source.Disks.SuspendDiskTransferAsync(started.Id, Cancel)).State);
        Assert.Equal(DiskTransferState.Transferring, (await pair.Source.Disks.ResumeDiskTransferAsync(started.Id, Cancel)).State);
        await WaitForAsync(started.Id, status => status.DurableOffsetBytes > 0);
        DiskTransferStatus stopped = await pair.Source.Disks.CancelDiskTransferAsync(started.Id, Cancel);

        Assert.Equal((DiskTransferState.Cancelled, MigrationErrorReason.Cancelled), (stopped.State, stopped.ErrorReason));
        DiskFragment fragment = Assert.Single(await pair.Destination.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.Equal(stopped.FragmentId, fragment.Id);
        Assert.True(fragment.OffsetBytes >= stopped.DurableOffsetBytes, $"{fragment.OffsetBytes} of {stopped.DurableOffsetBytes}");
        MigrationException late = await Assert.ThrowsAsync<MigrationException>(
            () => pair.Source.Disks.SuspendDiskTransferAsync(started.Id, Cancel));
        Assert.Equal(MigrationErrorReason.InvalidState, late.Reason);

        DiskTransferStatus again = await DiskTransferBroker.ResumeAsync(
            pair.Source, pair.Destination, fragment.Id, new(), MobilityPathChoice.Direct, Cancel);
        DiskTransferStatus ended = await pair.Source.Disks.WatchDiskTransferAsync(again.Id, Cancel).LastAsync(Cancel);

        Assert.Equal((DiskTransferState.Completed, DiskResumptionKind.Continued), (ended.State, ended.Resumption.Kind));
        Assert.Equal(fragment.OffsetBytes, ended.Resumption.OffsetBytes);
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(ended.DestinationPath, Cancel));
        Assert.Empty(await pair.Destination.Disks.ListDiskFragmentsAsync(Cancel));
    }

    [Fact]
    public async Task A_fragment_is_removed_at_its_agent()
    {
        DiskTransferStatus started = await StartSlowlyAsync();
        await WaitForAsync(started.Id, status => status.DurableOffsetBytes > 0);
        await pair.Source.Disks.CancelDiskTransferAsync(started.Id, Cancel);
        DiskFragment fragment = Assert.Single(await pair.Destination.Disks.ListDiskFragmentsAsync(Cancel));

        await pair.Destination.Disks.RemoveDiskFragmentAsync(fragment.Id, Cancel);

        Assert.Empty(await pair.Destination.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.False(File.Exists(fragment.Path));
        await AssertFailsAsync(MigrationErrorReason.DiskFragmentNotFound,
            () => pair.Destination.Disks.RemoveDiskFragmentAsync(fragment.Id, Cancel));
    }

    [Fact]
    public async Task An_offer_is_withdrawn_and_its_path_is_free_again()
    {
        DiskDescription source = await pair.Source.Disks.DescribeDiskAsync(MakeDisk(MiB), Cancel);
        var request = new IncomingDiskRequest(Guid.NewGuid(), source, "there.raw", new());
        IncomingDiskOffer offer = await pair.Destination.Disks.PrepareIncomingDiskAsync(request, Cancel);
        Assert.Equal((request.TransferId, DiskResumptionKind.Fresh), (offer.Offer.MigrationId, offer.Resumption.Kind));
        await AssertFailsAsync(MigrationErrorReason.InvalidState,
            () => pair.Destination.Disks.PrepareIncomingDiskAsync(request with { TransferId = Guid.NewGuid() }, Cancel));

        await pair.Destination.Disks.WithdrawIncomingDiskAsync(request.TransferId, Cancel);

        IncomingDiskRequest next = request with { TransferId = Guid.NewGuid() };
        await pair.Destination.Disks.PrepareIncomingDiskAsync(next, Cancel);
        await pair.Destination.Disks.WithdrawIncomingDiskAsync(next.TransferId, Cancel);
    }

    [Fact]
    public async Task What_an_agent_does_not_know_is_said_with_its_reason()
    {
        IHostDisks disks = pair.Source.Disks;

        await AssertFailsAsync(MigrationErrorReason.DiskNotFound, () => disks.DescribeDiskAsync("/nowhere/disk.raw", Cancel));
        await AssertFailsAsync(MigrationErrorReason.InvalidArgument, () => disks.DescribeDiskAsync("../disk.raw", Cancel));
        await AssertFailsAsync(MigrationErrorReason.DiskTransferNotFound, () => disks.GetDiskTransferAsync(Guid.NewGuid(), Cancel));
        await AssertFailsAsync(MigrationErrorReason.DiskTransferNotFound, () => disks.CancelDiskTransferAsync(Guid.NewGuid(), Cancel));
        await AssertFailsAsync(MigrationErrorReason.DiskTransferNotFound,
            () => disks.WatchDiskTransferAsync(Guid.NewGuid(), Cancel).ToListAsync(Cancel).AsTask());
        await AssertFailsAsync(MigrationErrorReason.VmNotFound, () => pair.Source.ListVmDisksAsync(Guid.NewGuid(), Cancel));
        Assert.Empty(await disks.ListDiskTransfersAsync(Cancel));
        Assert.Empty(await disks.ListDiskFragmentsAsync(Cancel));
    }

    private static async Task AssertFailsAsync(MigrationErrorReason reason, Func<Task> call) =>
        Assert.Equal(reason, (await Assert.ThrowsAsync<MigrationException>(call)).Reason);

    private string MakeDisk(int sizeBytes)
    {
        byte[] contents = new byte[sizeBytes];
        new Random(sizeBytes).NextBytes(contents);
        string path = directory.File("disk.raw");
        File.WriteAllBytes(path, contents);
        return path;
    }

    private Task<DiskTransferStatus> StartAsync(string disk, DiskTransferOptions options) => DiskTransferBroker.StartAsync(
        pair.Source, disk, pair.Destination, null, options, MobilityPathChoice.Direct, Cancel);

    /// <summary>Starts a transfer that takes some seconds.</summary>
    private Task<DiskTransferStatus> StartSlowlyAsync() => StartAsync(MakeDisk(16 * MiB), new() { MaxBytesPerSecond = 4 * MiB });

    private async Task WaitForAsync(Guid transferId, Func<DiskTransferStatus, bool> holds) =>
        await pair.Source.Disks.WatchDiskTransferAsync(transferId, Cancel).FirstAsync(holds, Cancel);
}
