using System.Buffers.Binary;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class DiskGarbageTests
{
    private const int MiB = 1 << 20;

    private static readonly DiskBlocks blocks = new((3 * MiB) + 5);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Heads_of_random_bytes_are_refused_or_name_blocks_of_the_disk()
    {
        var random = new Random(3);
        byte[] payload = new byte[DiskBlockFrame.BlockHeadBytes];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(payload);

            // Half of them are nearly right, so that every field is what is wrong in some.
            if (i % 2 == 0)
            {
                BinaryPrimitives.WriteInt64LittleEndian(payload, random.Next(-1, 6));
                BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(8), random.Next(0, 4));
                BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(12), random.Next(0, 2) == 0 ? MiB : 5);
            }

            int contentBytes = random.Next(0, 3) switch { 0 => MiB, 1 => 5, _ => random.Next(0, MiB) };
            try
            {
                DiskBlockHead head = DiskBlockFrame.ReadBlock(payload, contentBytes, blocks);
                Assert.InRange(head.Block, 0, 3);
                Assert.Equal(blocks.LengthOf(head.Block), head.LengthBytes);
                Assert.InRange(contentBytes, 1, head.LengthBytes);
            }
            catch (MigrationException error)
            {
                Assert.Equal(MigrationErrorReason.ProtocolViolation, error.Reason);
            }
        }
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 0)]
    [InlineData(4, 1)]
    [InlineData(1, 4)]
    [InlineData(1, long.MaxValue)]
    [InlineData(long.MaxValue, 1)]
    public void Runs_outside_the_disk_are_refused(long first, long count)
    {
        byte[] payload = new byte[DiskBlockFrame.RunBytes];
        BinaryPrimitives.WriteInt64LittleEndian(payload, first);
        BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(8), count);

        var error = Assert.Throws<MigrationException>(() => DiskBlockFrame.ReadRun(payload, blocks));

        Assert.Equal(MigrationErrorReason.ProtocolViolation, error.Reason);
    }

    [Theory]
    [InlineData(0, 8)]
    [InlineData(0, 8 + 15)]
    [InlineData(0, 8 + (5 * 16))]
    [InlineData(4, 8 + 16)]
    [InlineData(-1, 8 + 16)]
    public void Digests_outside_the_disk_are_refused(long first, int payloadBytes)
    {
        byte[] payload = new byte[payloadBytes];
        BinaryPrimitives.WriteInt64LittleEndian(payload, first);

        var error = Assert.Throws<MigrationException>(() => DiskDigestsFrame.Decode(payload, blocks));

        Assert.Equal(MigrationErrorReason.ProtocolViolation, error.Reason);
    }

    [Fact]
    public async Task A_source_that_sends_garbage_over_a_data_connection_ends_its_transfer_with_a_reason()
    {
        for (int seed = 0; seed < 8; seed++)
        {
            await using var bench = new TransferBench();
            bench.WriteSource(SampleBlocks.Contents(3));
            await using Transfer transfer = await bench.PrepareAsync(Cancellation);
            byte[] garbage = new byte[4096];
            new Random(seed).NextBytes(garbage);

            DiskEndedMessage ended = await SendAsync(bench, transfer, garbage);

            Assert.Equal(MigrationErrorReason.ProtocolViolation, ended.Failure.Reason);
            Assert.False(File.Exists(bench.DestinationPath));
        }
    }

    [Fact]
    public async Task A_block_that_is_said_to_be_the_same_without_a_comparison_is_not_taken()
    {
        await using var bench = new TransferBench();
        bench.WriteSource(SampleBlocks.Contents(3));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        byte[] same = new byte[DiskBlockFrame.RunFrameBytes];
        DiskBlockFrame.WriteRun(same, FrameType.DiskSame, 0, 3);

        DiskEndedMessage ended = await SendAsync(bench, transfer, same);

        Assert.Equal(MigrationErrorReason.ProtocolViolation, ended.Failure.Reason);
        Assert.False(File.Exists(bench.DestinationPath));
    }

    [Fact]
    public async Task A_frame_that_is_longer_than_any_block_is_refused_before_it_is_read()
    {
        await using var bench = new TransferBench();
        bench.WriteSource(SampleBlocks.Contents(3));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        byte[] head = new byte[FrameHeader.SizeBytes];
        new FrameHeader(FrameType.DiskBlock, DiskBlockFrame.MaxPayloadBytes + 1).Write(head);

        DiskEndedMessage ended = await SendAsync(bench, transfer, head);

        Assert.Equal(MigrationErrorReason.ProtocolViolation, ended.Failure.Reason);
    }

    [Theory]
    [InlineData((int)FrameType.Grant)]
    [InlineData((int)FrameType.DiskStore)]
    [InlineData((int)FrameType.DiskBlock)]
    public async Task A_frame_at_the_wrong_moment_ends_the_transfer(int type)
    {
        await using var bench = new TransferBench();
        bench.WriteSource(SampleBlocks.Contents(3));
        await using Transfer transfer = await bench.PrepareAsync(Cancellation);
        await using var source = new TransferConversation(
            await new MigrationDialer(transfer.Request.Offer.Offer).ConnectControlAsync(ConnectionRole.DiskControl, Cancellation));
        await source.SendAsync((FrameType)type, default, Cancellation);

        ControlFrame frame = await source.ReceiveAsync(Cancellation);

        Assert.Equal(
            MigrationErrorReason.ProtocolViolation, frame.Expect(FrameType.DiskEnded).Read(ControlMessages.Default.DiskEndedMessage).Failure.Reason);
        Assert.Empty(bench.Bench.IncompleteFiles());
    }

    /// <summary>Is the source of a transfer, and sends bytes where blocks belong.</summary>
    private static async Task<DiskEndedMessage> SendAsync(TransferBench bench, Transfer transfer, byte[] bytes)
    {
        var dialer = new MigrationDialer(transfer.Request.Offer.Offer);
        await using var source = new TransferConversation(await dialer.ConnectControlAsync(ConnectionRole.DiskControl, Cancellation));
        DiskGeneration generation = bench.Describe().Generation;
        await source.SendAsync(
            FrameType.DiskStart, new(1, generation.SizeBytes, generation), ControlMessages.Default.DiskStartMessage, Cancellation);
        (await source.ReceiveAsync(Cancellation)).Expect(FrameType.DiskPlan);
        using DataConnection data = await Task.Run(() => dialer.ConnectData(0, Cancellation, ConnectionRole.DiskData), Cancellation);
        await Task.Run(() => data.Send(bytes), Cancellation);
        while (true)
        {
            ControlFrame frame = await source.ReceiveAsync(Cancellation);
            if (frame.Type == FrameType.DiskEnded) return frame.Read(ControlMessages.Default.DiskEndedMessage);
        }
    }
}
