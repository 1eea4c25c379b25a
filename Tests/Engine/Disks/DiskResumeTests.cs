using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;
using VmMigration.Engine.Tests.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class DiskResumeTests
{
    private const int MiB = 1 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_link_cut_at_any_byte_costs_at_most_16_MiB()
    {
        const int blocks = 40;
        for (int seed = 0; seed < 10; seed++)
        {
            await using var bench = new TransferBench { Options = new() { Channels = 1 + (seed % 3) } };
            bench.WriteSource(SampleBlocks.Contents(blocks, seed));
            DiskTransferStatus first;
            await using (var proxy = new CuttingProxy(bench.Listener.Endpoint, new Random(seed).NextInt64(0, blocks * (long)MiB)))
            {
                bench.Port = proxy.Endpoint.Port;
                first = await bench.RunAsync(Cancellation);
            }

            Assert.Equal(DiskTransferState.Failed, first.State);
            Assert.False(File.Exists(bench.DestinationPath));
            bench.Port = null;
            DiskTransferStatus second = await bench.RunAsync(Cancellation);
            bench.RequireComplete(second);
            Assert.InRange(first.DataBytes + second.DataBytes, blocks * MiB, (blocks + 16 + 3) * MiB);
        }
    }

    [Fact]
    public async Task Blocks_behind_the_recorded_offset_are_compared_and_not_sent_again()
    {
        await using var bench = new TransferBench();
        byte[] contents = SampleBlocks.Contents(16);
        bench.WriteSource(contents);
        await LeaveAsync(bench, contents, recorded: 4, written: 12);

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        bench.RequireComplete(status);
        Assert.Equal(DiskResumptionKind.Continued, status.Resumption.Kind);
        Assert.Equal(8 * MiB, status.UnchangedBytes);
        Assert.Equal(4 * MiB, status.DataBytes);
    }

    [Fact]
    public async Task A_bit_that_flipped_in_a_fragment_is_found_and_mended()
    {
        await using var bench = new TransferBench();
        byte[] contents = SampleBlocks.Contents(16);
        bench.WriteSource(contents);
        byte[] damaged = [.. contents];
        damaged[(5 * MiB) + 77] ^= 4;
        await LeaveAsync(bench, contents, recorded: 12, written: 12, fileContents: damaged);

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        bench.RequireComplete(status);
        Assert.Equal(MiB, status.RepairedBytes);
        Assert.Equal(4 * MiB, status.DataBytes);
    }

    [Fact]
    public async Task Of_a_changed_source_only_the_blocks_that_differ_are_sent_and_zeros_free_their_space()
    {
        await using var bench = new TransferBench();
        byte[] old = SampleBlocks.Contents(16);
        bench.WriteSource(old);
        Guid fragment = await LeaveAsync(bench, old, recorded: 16, written: 16);
        byte[] contents = [.. old];
        contents[(3 * MiB) + 5] ^= 1;
        contents[(15 * MiB) + 5] ^= 1;
        contents.AsSpan(6 * MiB, 4 * MiB).Clear();
        bench.WriteSource(contents);
        bench.Resumption = new(DiskResumptionKind.Compared, fragment, 0, null);
        bench.Options = new() { MaxBytesPerSecond = 16 * MiB };

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        bench.RequireComplete(status);
        Assert.Equal(2 * MiB, status.DataBytes);
        Assert.Equal(4 * MiB, status.ZeroBytes);
        Assert.Equal(10 * MiB, status.UnchangedBytes);
        Assert.InRange(FileStatus.TryRead(bench.DestinationPath)!.Value.AllocatedBytes, 12 * MiB, (12 * MiB) + (64 << 10));
    }

    [Fact]
    public async Task A_block_that_is_changed_on_its_way_is_asked_for_again()
    {
        await using var bench = new TransferBench { Options = new() { Channels = 1 } };
        bench.WriteSource(SampleBlocks.Contents(4));
        int changes = 0;
        await using var proxy = new InspectingProxy(bench.Listener.Endpoint, (connection, towards, offset, bytes) =>
        {
            if (connection == 1 && towards && offset > MiB && Interlocked.Exchange(ref changes, 1) == 0) bytes.Span[bytes.Length / 2] ^= 8;
        });
        bench.Port = proxy.Endpoint.Port;

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        bench.RequireComplete(status);
        Assert.Equal(1, changes);
        Assert.Equal(MiB, status.RepairedBytes);
    }

    [Fact]
    public async Task A_block_that_never_arrives_as_it_was_ends_the_transfer()
    {
        const int frame = DiskBlockFrame.HeadBytes + MiB;
        await using var bench = new TransferBench { Options = new() { Channels = 1 } };
        bench.WriteSource(SampleBlocks.Contents(1));
        await using var proxy = new InspectingProxy(bench.Listener.Endpoint, (connection, towards, offset, bytes) =>
        {
            if (connection != 1 || !towards) return;
            for (int i = 0; i < bytes.Length; i++)
            {
                long place = offset + i - Hello.SizeBytes;
                if (place >= 0 && place % frame == 1000) bytes.Span[i] ^= 8;
            }
        });
        bench.Port = proxy.Endpoint.Port;

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        Assert.Equal(DiskTransferState.Failed, status.State);
        Assert.Equal(MigrationErrorReason.DiskMismatch, status.ErrorReason);
        Assert.False(File.Exists(bench.DestinationPath));
    }

    /// <summary>Leaves a fragment as a transfer does whose process was killed.</summary>
    private static async Task<Guid> LeaveAsync(
        TransferBench bench, byte[] contents, int recorded, int written, byte[]? fileContents = null)
    {
        int sizeBlocks = contents.Length / MiB;
        IncompleteDiskPlace place = await bench.Store.TakeAsync(new(Guid.NewGuid(), bench.Describe(), "disk.img", new()), Cancellation);
        StoreBench.Write(bench.Store, place, contents, recorded, sizeBlocks);
        SampleBlocks.Write(place.FilePath, place.DigestsPath, fileContents ?? contents, written, sizeBlocks);
        await File.WriteAllBytesAsync(place.DigestsPath, SampleBlocks.Digests(contents.AsSpan(0, recorded * MiB)), Cancellation);
        return (await bench.Store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "Killed."))!.Id;
    }
}
