using VmMigration.Engine.Protocol;
using ZstdSharp;

namespace VmMigration.Engine.Disks;

/// <summary>
/// Receives the blocks that come over one data connection and puts them into their places. A block that is not what its digest says is
/// asked for again.
/// </summary>
/// <param name="connection">Used by the calling thread.</param>
/// <param name="blocks">The blocks of the disk.</param>
/// <param name="disk">Takes the contents.</param>
/// <param name="digests">Takes the digests.</param>
/// <param name="ledger">Told of every block that is in place.</param>
/// <param name="wasTold">Whether the source was told the digests of a run of blocks, so that it can know them to be the same.</param>
/// <param name="askAgain">Asks the source for a block once more.</param>
internal sealed class DiskBlockReceiver(
    DataConnection connection, DiskBlocks blocks, IWritableDisk disk, DiskDigestFile digests, BlockLedger ledger,
    Func<long, long, bool> wasTold, Action<long> askAgain)
{
    private static readonly byte[] placed = MakePlaced();

    private readonly byte[] head = new byte[FrameHeader.SizeBytes];
    private readonly byte[] payload = GC.AllocateUninitializedArray<byte>(DiskBlockFrame.MaxPayloadBytes, pinned: true);
    private byte[]? decoded;
    private Decompressor? decompressor;

    /// <summary>Receives until the source closes the connection.</summary>
    /// <exception cref="MigrationException">Where the connection breaks, the source breaks the protocol, or the storage fails.</exception>
    public void Run()
    {
        try
        {
            while (connection.TryReceive(head))
            {
                FrameHeader header = FrameHeader.Read(head, DiskBlockFrame.MaxPayloadBytes);
                Span<byte> received = payload.AsSpan(0, header.PayloadBytes);
                connection.Receive(received);
                Take(header, received);
            }
        }
        finally
        {
            decompressor?.Dispose();
        }
    }

    private void Take(FrameHeader header, ReadOnlySpan<byte> received)
    {
        switch (header.Type)
        {
            case FrameType.DiskBlock when received.Length >= DiskBlockFrame.BlockHeadBytes:
                ReadOnlySpan<byte> contents = received[DiskBlockFrame.BlockHeadBytes..];
                TakeBlock(DiskBlockFrame.ReadBlock(received, contents.Length, blocks), contents);
                connection.Send(placed);
                break;
            case FrameType.DiskZeros:
                (long first, long count) = DiskBlockFrame.ReadRun(received, blocks);
                disk.WriteZeros(DiskBlocks.OffsetOf(first), blocks.LengthOf(first, count));
                digests.SetZeros(blocks, first, count);
                ledger.Place(first, count);
                break;
            case FrameType.DiskSame:
                (long same, long sameCount) = DiskBlockFrame.ReadRun(received, blocks);
                if (!wasTold(same, sameCount))
                {
                    throw new MigrationException(
                        MigrationErrorReason.ProtocolViolation,
                        $"The source says that {sameCount} blocks from {same} on are the same, and was not told what they are.");
                }

                digests.WriteRange(same, sameCount);
                ledger.Place(same, sameCount);
                break;
            default:
                throw new MigrationException(
                    MigrationErrorReason.ProtocolViolation, $"A {header.Type} frame of {received.Length} bytes came on a disk's data connection.");
        }
    }

    private void TakeBlock(DiskBlockHead block, ReadOnlySpan<byte> contents)
    {
        if (block.Encoding == BlockEncoding.Zstd && !TryDecode(block, ref contents))
        {
            askAgain(block.Block);
            return;
        }

        if (BlockDigests.Of(contents) != block.Digest)
        {
            askAgain(block.Block);
            return;
        }

        disk.Write(DiskBlocks.OffsetOf(block.Block), contents);
        digests.Set(block.Block, block.Digest);
        ledger.Place(block.Block, 1);
    }

    private static byte[] MakePlaced()
    {
        byte[] frame = new byte[FrameHeader.SizeBytes];
        new FrameHeader(FrameType.DiskPlaced, 0).Write(frame);
        return frame;
    }

    private bool TryDecode(DiskBlockHead block, ref ReadOnlySpan<byte> contents)
    {
        decoded ??= GC.AllocateUninitializedArray<byte>(DiskBlocks.BlockBytes, pinned: true);
        decompressor ??= new();
        try
        {
            int length = decompressor.Unwrap(contents, decoded.AsSpan(0, block.LengthBytes));
            contents = decoded.AsSpan(0, length);
            return length == block.LengthBytes;
        }
        catch (ZstdException)
        {
            // Damaged on its way, like contents whose digest differs.
            return false;
        }
    }
}
