using System.Diagnostics;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class DiskDataPathTests
{
    private const int MiB = 1 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Random_sparse_disks_arrive_byte_for_byte_and_stay_sparse()
    {
        for (int seed = 0; seed < 12; seed++)
        {
            await using var bench = new TransferBench();
            var random = new Random(seed);
            bench.WriteSparseSource(random.Next(1, 24 * MiB), NextParts(random));
            DiskDescription source = bench.Describe();

            DiskTransferStatus status = await bench.RunAsync(Cancellation);

            bench.RequireComplete(status);
            Assert.Equal(source.Generation.SizeBytes, status.DataBytes + status.ZeroBytes);

            // A block that holds data at all is written whole.
            long parts = FileStatus.TryRead(bench.DestinationPath)!.Value.AllocatedBytes;
            Assert.True(parts <= status.DataBytes + (64 << 10), $"seed {seed}: {parts} bytes are allocated for {status.DataBytes} of data");
        }
    }

    [Fact]
    public async Task Holes_and_written_zeros_cost_metadata_only()
    {
        await using var bench = new TransferBench();
        bench.WriteSparseSource(4L << 30, (100L * MiB, new byte[8 * MiB]), (1L << 30, SampleBlocks.Contents(1)));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);

        DiskTransferStatus status = await transfer.RunAsync();

        Assert.True(status.State == DiskTransferState.Completed, status.ErrorMessage);
        Assert.Equal(MiB, status.DataBytes);
        Assert.InRange(status.SentBytes, MiB, MiB + 4096);
    }

    [Fact]
    public async Task Compression_sends_less_where_contents_shrink_and_no_more_where_they_do_not()
    {
        await using var bench = new TransferBench { Options = new() { Compression = DiskCompression.Zstd } };
        byte[] contents = SampleBlocks.Contents(8);
        contents.AsSpan(0, 4 * MiB).Fill(7);
        bench.WriteSource(contents);

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        bench.RequireComplete(status);
        Assert.InRange(status.SentBytes, 4 * MiB, (4 * MiB) + (64 << 10));
    }

    [Fact]
    public async Task A_limit_holds_for_all_connections_together()
    {
        const int limit = 8 * MiB;
        await using var bench = new TransferBench { Options = new() { MaxBytesPerSecond = limit, Channels = 4 } };
        bench.WriteSource(SampleBlocks.Contents(12));
        long since = Stopwatch.GetTimestamp();

        DiskTransferStatus status = await bench.RunAsync(Cancellation);

        // However slow the machine: no more than the limit allows in the time it took, and one frame.
        double allowed = (Stopwatch.GetElapsedTime(since).TotalSeconds * limit) + DiskBlockFrame.HeadBytes + MiB;
        bench.RequireComplete(status);
        Assert.True(status.SentBytes <= allowed, $"{status.SentBytes} bytes were sent where {allowed:F0} are allowed");
    }

    [Fact]
    public async Task A_suspended_transfer_sends_nothing_keeps_its_link_past_the_silence_limit_and_goes_on()
    {
        await using var bench = new TransferBench { Options = new() { MaxBytesPerSecond = 4 * MiB, Channels = 2 } };
        bench.WriteSource(SampleBlocks.Contents(12));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        Task<DiskTransferStatus> running = transfer.RunAsync();
        await transfer.WaitForAsync(status => status.DataBytes > 0, Cancellation);

        await transfer.Sender.SuspendAsync(Cancellation);
        long before = transfer.Feed.Current.SentBytes;
        await Task.Delay(VmMigration.Engine.Protocol.LinkHeartbeat.SilenceLimit + TimeSpan.FromSeconds(1), Cancellation);
        DiskTransferStatus suspended = transfer.Feed.Current;

        // Each connection may have had a block in its hands; the status may be a report old.
        Assert.Equal(DiskTransferState.Suspended, suspended.State);
        Assert.InRange(suspended.SentBytes - before, 0, 5 * MiB);
        transfer.Sender.Resume();
        bench.RequireComplete(await running);
    }

    [Fact]
    public async Task A_source_that_is_shortened_while_it_is_read_is_noticed()
    {
        await using var bench = new TransferBench();
        bench.WriteSource(SampleBlocks.Contents(6));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        using (FileStream file = File.OpenWrite(bench.SourcePath)) file.SetLength((4 * MiB) + 10);

        DiskTransferStatus status = await transfer.RunAsync();

        Assert.Equal(MigrationErrorReason.DiskChanged, status.ErrorReason);
        Assert.False(File.Exists(bench.DestinationPath));
    }

    [Fact]
    public async Task A_file_that_takes_the_name_meanwhile_is_not_replaced()
    {
        await using var bench = new TransferBench();
        bench.WriteSource(SampleBlocks.Contents(3));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        await File.WriteAllTextAsync(bench.DestinationPath, "another's", Cancellation);

        DiskTransferStatus status = await transfer.RunAsync();

        Assert.Equal(MigrationErrorReason.InvalidState, status.ErrorReason);
        Assert.NotNull(status.FragmentId);
        Assert.Equal("another's", await File.ReadAllTextAsync(bench.DestinationPath, Cancellation));
    }

    private static (long Offset, byte[] Contents)[] NextParts(Random random)
    {
        var parts = new (long, byte[])[random.Next(0, 6)];
        for (int i = 0; i < parts.Length; i++)
        {
            byte[] contents = new byte[random.Next(1, 2 * MiB)];
            random.NextBytes(contents);
            parts[i] = (random.Next(0, 20 * MiB), contents);
        }

        return parts;
    }
}
