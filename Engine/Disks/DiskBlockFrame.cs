using System.Buffers.Binary;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>
/// The layout of the frames that carry blocks; DISK-PROTOCOL.md shows it. A block: its number (u64), how its contents travel (u32), their
/// length before that (u32), their digest (16 bytes), and the contents. A run of blocks without contents: the first (u64), how many (u64).
/// </summary>
internal static class DiskBlockFrame
{
    /// <summary>Bytes of a block's frame before its contents, frame header included.</summary>
    public const int HeadBytes = FrameHeader.SizeBytes + BlockHeadBytes;

    /// <summary>Bytes of the payload before the contents.</summary>
    public const int BlockHeadBytes = 32;

    /// <summary>Bytes of the payload of a run.</summary>
    public const int RunBytes = 16;

    /// <summary>Bytes of the frame of a run, frame header included.</summary>
    public const int RunFrameBytes = FrameHeader.SizeBytes + RunBytes;

    /// <summary>Longest payload of a frame on a disk's data connection: no block travels longer than it is.</summary>
    public const int MaxPayloadBytes = BlockHeadBytes + DiskBlocks.BlockBytes;

    /// <summary>Writes the head of a block's frame.</summary>
    /// <param name="frame">At least <see cref="HeadBytes"/>.</param>
    /// <param name="head">What it says.</param>
    /// <param name="contentBytes">Bytes of contents that follow.</param>
    public static void WriteBlock(Span<byte> frame, DiskBlockHead head, int contentBytes)
    {
        new FrameHeader(FrameType.DiskBlock, BlockHeadBytes + contentBytes).Write(frame);
        Span<byte> payload = frame[FrameHeader.SizeBytes..];
        BinaryPrimitives.WriteInt64LittleEndian(payload, head.Block);
        BinaryPrimitives.WriteUInt32LittleEndian(payload[8..], (uint)head.Encoding);
        BinaryPrimitives.WriteInt32LittleEndian(payload[12..], head.LengthBytes);
        BlockDigests.Write(payload[16..], head.Digest);
    }

    /// <summary>Reads and checks the head of a block.</summary>
    /// <param name="payload"><see cref="BlockHeadBytes"/> bytes.</param>
    /// <param name="contentBytes">Bytes of contents that follow.</param>
    /// <param name="blocks">The disk.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/>.</exception>
    public static DiskBlockHead ReadBlock(ReadOnlySpan<byte> payload, int contentBytes, DiskBlocks blocks)
    {
        var head = new DiskBlockHead(
            BinaryPrimitives.ReadInt64LittleEndian(payload), (BlockEncoding)BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(payload[12..]), BlockDigests.Read(payload[16..]));
        bool isOfDisk = head.Block >= 0 && head.Block < blocks.Count && head.LengthBytes == blocks.LengthOf(head.Block);
        bool fits = head.Encoding switch
        {
            BlockEncoding.Raw => contentBytes == head.LengthBytes,
            BlockEncoding.Zstd => contentBytes > 0 && contentBytes < head.LengthBytes,
            _ => false,
        };
        return isOfDisk && fits ? head : throw new MigrationException(
            MigrationErrorReason.ProtocolViolation,
            $"A frame with {contentBytes} bytes of block {head.Block}, {head.LengthBytes} long and encoded as {(uint)head.Encoding},"
            + $" is none of a disk of {blocks.SizeBytes} bytes.");
    }

    /// <summary>Writes the frame of a run, <see cref="RunFrameBytes"/> long.</summary>
    public static void WriteRun(Span<byte> frame, FrameType type, long first, long count)
    {
        new FrameHeader(type, RunBytes).Write(frame);
        BinaryPrimitives.WriteInt64LittleEndian(frame[FrameHeader.SizeBytes..], first);
        BinaryPrimitives.WriteInt64LittleEndian(frame[(FrameHeader.SizeBytes + 8)..], count);
    }

    /// <summary>Reads and checks a run.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/>.</exception>
    public static (long First, long Count) ReadRun(ReadOnlySpan<byte> payload, DiskBlocks blocks)
    {
        long first = payload.Length == RunBytes ? BinaryPrimitives.ReadInt64LittleEndian(payload) : -1;
        long count = payload.Length == RunBytes ? BinaryPrimitives.ReadInt64LittleEndian(payload[8..]) : 0;
        return first >= 0 && count > 0 && first < blocks.Count && count <= blocks.Count - first ? (first, count) : throw new MigrationException(
            MigrationErrorReason.ProtocolViolation, $"A run of {count} blocks from {first} on is none of a disk of {blocks.Count} blocks.");
    }
}
