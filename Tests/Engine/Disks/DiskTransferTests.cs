using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Disks that are copied between two hosts, whole and in parts.</summary>
public class DiskTransferTests
{
    private const long MiB = 1 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(MiB)]
    [InlineData((37 * MiB) + 12_345)]
    public async Task A_disk_of_any_size_arrives_byte_for_byte(long sizeBytes)
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(sizeBytes);

        DiskTransferStatus status = await hosts.CopyAsync(disk);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(sizeBytes, status.DoneBytes);
        Assert.Equal(sizeBytes, status.DataBytes + status.ZeroBytes);
        Assert.Equal(DiskResumptionKind.Fresh, status.Resumption.Kind);
        hosts.AssertArrived(disk);
    }

    [Theory]
    [InlineData(LinkSecurity.Plain, DiskCompression.Zstd, 1)]
    [InlineData(LinkSecurity.Tls, DiskCompression.None, 4)]
    [InlineData(LinkSecurity.Tls, DiskCompression.Zstd, 3)]
    public async Task It_arrives_over_whatever_link_and_however_it_travels(LinkSecurity security, DiskCompression compression, int channels)
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync(security);
        string disk = hosts.MakeDisk(24 * MiB);
        File.AppendAllText(disk, string.Concat(Enumerable.Repeat("compressible ", 200_000)));

        DiskTransferStatus status = await hosts.CopyAsync(disk, new() { Compression = compression, Channels = channels });

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(security, status.LinkSecurity);
        if (compression == DiskCompression.Zstd) Assert.True(status.SentBytes < status.DataBytes - MiB, $"{status.SentBytes} of {status.DataBytes}");
        hosts.AssertArrived(disk);
    }

    [Fact]
    public async Task Holes_stay_holes_and_cost_next_to_nothing()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = Path.Combine(hosts.SourceDatastore, "sparse.raw");
        using (FileStream file = File.Create(disk))
        {
            file.SetLength(1L << 40);
            file.Position = 1L << 39;
            file.Write("in the middle"u8);
        }

        DiskTransferStatus status = await hosts.CopyAsync(disk);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.InRange(status.SentBytes, 1, 2 * MiB);
        DiskDescription copy = await hosts.Destination.Disks.DescribeDiskAsync("sparse.raw", Cancellation);
        Assert.Equal(1L << 40, copy.Generation.SizeBytes);
        Assert.InRange(copy.AllocatedBytes, 1, 2 * MiB);
    }

    [Fact]
    public async Task After_a_cut_at_any_byte_only_what_had_not_arrived_is_sent()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(128 * MiB);

        // All cuts together let less pass than the disk holds: each must end a transfer.
        var random = new Random(7);
        long sent = 0;
        for (int cut = 0; cut < 8; cut++)
        {
            DiskTransferStatus broken = await hosts.CutAsync(disk, random.NextInt64(1, 6 * MiB), new() { Channels = 1 + (cut % 3) });
            Assert.Equal(DiskTransferState.Failed, broken.State);
            Assert.Equal(MigrationErrorReason.ConnectionLost, broken.ErrorReason);
            sent += broken.DataBytes;
        }

        DiskTransferStatus status = await hosts.CopyAsync(disk);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(DiskResumptionKind.Continued, status.Resumption.Kind);
        hosts.AssertArrived(disk);
        Assert.Empty(await hosts.Destination.Disks.ListDiskFragmentsAsync(Cancellation));

        // What was in the sockets at a cut has been counted as sent, and has not arrived.
        long data = new FileInfo(disk).Length;
        Assert.True(sent + status.DataBytes < data + (8 * 4 * MiB), $"{sent} and {status.DataBytes} of {data}");
    }

    [Fact]
    public async Task A_bit_that_flips_in_a_fragment_is_found_and_its_block_is_sent_again()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(48 * MiB);
        await hosts.CutAsync(disk, 16 * MiB, new() { Channels = 1 });
        DiskFragment fragment = Assert.Single(await hosts.Destination.Disks.ListDiskFragmentsAsync(Cancellation));
        Assert.True(fragment.OffsetBytes > 8 * MiB, $"only {fragment.OffsetBytes} bytes arrived");
        using (FileStream file = File.Open(fragment.Path, FileMode.Open))
        {
            file.Position = 3 * MiB;
            int before = file.ReadByte();
            file.Position = 3 * MiB;
            file.WriteByte((byte)(before ^ 4));
        }

        DiskTransferStatus status = await hosts.CopyAsync(disk);

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(DiskResumptionKind.Continued, status.Resumption.Kind);
        hosts.AssertArrived(disk);
    }

    [Fact]
    public async Task Where_the_source_has_changed_only_blocks_that_differ_are_sent()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(256 * MiB);
        await hosts.CutAsync(disk, 100 * MiB, new() { Channels = 1, MaxBytesPerSecond = 0 });
        using (FileStream file = File.Open(disk, FileMode.Open))
        {
            file.Position = 5 * MiB;
            file.Write("something else"u8);
        }

        // Slower than comparing, so that comparing pays whatever had arrived.
        DiskTransferStatus status = await hosts.CopyAsync(disk, new() { MaxBytesPerSecond = 200 * MiB });

        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal(DiskResumptionKind.Compared, status.Resumption.Kind);
        Assert.NotNull(status.Resumption.Reason);
        Assert.True(status.UnchangedBytes > 64 * MiB, $"{status.UnchangedBytes} bytes were found unchanged");
        hosts.AssertArrived(disk);
    }

    [Fact]
    public async Task Suspended_nothing_is_sent_and_resumed_it_goes_on()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(32 * MiB);
        DiskDescription described = await hosts.Source.Disks.DescribeDiskAsync(disk, Cancellation);
        var options = new DiskTransferOptions { MaxBytesPerSecond = 4 * MiB };
        IncomingDiskOffer offer = await hosts.Destination.Disks.PrepareIncomingDiskAsync(new(Guid.NewGuid(), described, null, options), Cancellation);
        DiskTransferStatus status = await hosts.Source.Disks.StartDiskTransferAsync(new(described.Path, offer, options), Cancellation);
        await foreach (DiskTransferStatus next in hosts.Source.Disks.WatchDiskTransferAsync(status.Id, Cancellation))
        {
            if (next.DataBytes > 0) break;
        }

        await hosts.Source.Disks.SuspendDiskTransferAsync(status.Id, Cancellation);
        Assert.Equal(DiskTransferState.Suspended, (await hosts.Source.Disks.GetDiskTransferAsync(status.Id, Cancellation)).State);
        await foreach (DiskTransferStatus next in hosts.Source.Disks.WatchDiskTransferAsync(status.Id, Cancellation))
        {
            // The block that was on its way has left by then, and all that arrived is recorded.
            if (next.DurableOffsetBytes > 0 && next.State == DiskTransferState.Suspended) break;
        }

        await hosts.Source.Disks.ResumeDiskTransferAsync(status.Id, Cancellation);
        status = await hosts.WaitAsync(status.Id);
        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        hosts.AssertArrived(disk);
    }

    [Fact]
    public async Task A_transfer_that_is_stopped_leaves_a_fragment_and_the_next_one_goes_on_from_it()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(32 * MiB);
        DiskDescription described = await hosts.Source.Disks.DescribeDiskAsync(disk, Cancellation);
        var options = new DiskTransferOptions { MaxBytesPerSecond = 8 * MiB };
        IncomingDiskOffer offer = await hosts.Destination.Disks.PrepareIncomingDiskAsync(new(Guid.NewGuid(), described, null, options), Cancellation);
        DiskTransferStatus status = await hosts.Source.Disks.StartDiskTransferAsync(new(described.Path, offer, options), Cancellation);
        await foreach (DiskTransferStatus next in hosts.Source.Disks.WatchDiskTransferAsync(status.Id, Cancellation))
        {
            if (next.DataBytes > 4 * MiB) break;
        }

        status = await hosts.Source.Disks.CancelDiskTransferAsync(status.Id, Cancellation);

        Assert.Equal(DiskTransferState.Cancelled, status.State);
        DiskFragment fragment = Assert.Single(await hosts.Destination.Disks.ListDiskFragmentsAsync(Cancellation));
        Assert.Equal(status.FragmentId, fragment.Id);
        Assert.True(fragment.OffsetBytes > 0);
        await hosts.ReopenDestinationAsync();
        status = await hosts.CopyAsync(disk);
        Assert.True(status.State == DiskTransferState.Completed, $"{status.ErrorReason}: {status.ErrorMessage}");
        Assert.Equal((DiskResumptionKind.Continued, fragment.OffsetBytes), (status.Resumption.Kind, status.Resumption.OffsetBytes));
        Assert.True(status.DataBytes + status.ZeroBytes <= described.Generation.SizeBytes - fragment.OffsetBytes);
        hosts.AssertArrived(disk);
    }

    [Fact]
    public async Task A_disk_that_is_written_while_it_is_copied_gets_no_name_at_the_destination()
    {
        await using DiskHosts hosts = await DiskHosts.OpenAsync();
        string disk = hosts.MakeDisk(16 * MiB);
        DiskDescription described = await hosts.Source.Disks.DescribeDiskAsync(disk, Cancellation);
        var options = new DiskTransferOptions { MaxBytesPerSecond = 8 * MiB };
        IncomingDiskOffer offer = await hosts.Destination.Disks.PrepareIncomingDiskAsync(new(Guid.NewGuid(), described, null, options), Cancellation);
        DiskTransferStatus status = await hosts.Source.Disks.StartDiskTransferAsync(new(described.Path, offer, options), Cancellation);
        await foreach (DiskTransferStatus next in hosts.Source.Disks.WatchDiskTransferAsync(status.Id, Cancellation))
        {
            if (next.DataBytes > 0) break;
        }

        using (FileStream file = File.Open(disk, FileMode.Open)) file.Write("written"u8);
        status = await hosts.WaitAsync(status.Id);

        Assert.Equal((DiskTransferState.Failed, MigrationErrorReason.DiskChanged), (status.State, status.ErrorReason));
        Assert.NotNull(status.FragmentId);
        Assert.False(File.Exists(Path.Combine(hosts.DestinationDatastore, "disk.raw")));
    }
}
