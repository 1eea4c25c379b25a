using System.Buffers.Binary;

namespace VmMigration.Engine.Disks;

/// <summary>The layout of the frame that tells digests: the first block (u64), and the digests of it and the blocks after it, 16 bytes each.</summary>
internal static class DiskDigestsFrame
{
    private const int HeadBytes = 8;

    /// <summary>Makes the payload.</summary>
    public static byte[] Encode(long first, ReadOnlySpan<byte> digests)
    {
        byte[] payload = new byte[HeadBytes + digests.Length];
        BinaryPrimitives.WriteInt64LittleEndian(payload, first);
        digests.CopyTo(payload.AsSpan(HeadBytes));
        return payload;
    }

    /// <summary>Reads and checks the payload.</summary>
    /// <returns>The first block, and the bytes of the digests.</returns>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/>.</exception>
    public static (long First, ReadOnlyMemory<byte> Digests) Decode(ReadOnlyMemory<byte> payload, DiskBlocks blocks)
    {
        long first = payload.Length > HeadBytes ? BinaryPrimitives.ReadInt64LittleEndian(payload.Span) : -1;
        long count = (payload.Length - HeadBytes) / BlockDigests.DigestBytes;
        bool isWhole = (payload.Length - HeadBytes) % BlockDigests.DigestBytes == 0;
        return first >= 0 && isWhole && first < blocks.Count && count <= blocks.Count - first
            ? (first, payload[HeadBytes..])
            : throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"{payload.Length} bytes of digests from block {first} on are none of this disk.");
    }
}
