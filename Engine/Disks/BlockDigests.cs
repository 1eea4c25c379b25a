using System.Buffers.Binary;
using System.IO.Hashing;

namespace VmMigration.Engine.Disks;

/// <summary>
/// How digests stand for the contents of a disk: XXH128 of each block, one after the other in the order of the blocks, and XXH128 over these
/// for a whole disk or its first part. The last block of a disk may be shorter.
/// </summary>
internal static class BlockDigests
{
    /// <summary>Bytes a block has.</summary>
    public const int BlockBytes = 1 << 20;

    /// <summary>Bytes a digest has.</summary>
    public const int DigestBytes = 16;

    /// <summary>Largest disk, bytes: its digests have room in one array, and its numbers in every sum.</summary>
    public const long MaxDiskBytes = 64L << 40;

    /// <summary>Blocks a disk of this size has, a shorter one at its end included.</summary>
    public static long CountBlocks(long sizeBytes) => (sizeBytes + BlockBytes - 1) / BlockBytes;

    /// <summary>Digests that stand for all before an offset: of the whole blocks, and of the shorter one at the end of the disk.</summary>
    /// <param name="offsetBytes">From 0 to <paramref name="sizeBytes"/>.</param>
    /// <param name="sizeBytes">Size of the disk.</param>
    public static long CountBefore(long offsetBytes, long sizeBytes) =>
        offsetBytes == sizeBytes ? CountBlocks(sizeBytes) : offsetBytes / BlockBytes;

    /// <summary>XXH128 of a block's contents.</summary>
    public static UInt128 Of(ReadOnlySpan<byte> contents) => XxHash128.HashToUInt128(contents);

    /// <summary>Reads a digest as it is written in files and frames, the most significant byte first.</summary>
    public static UInt128 Read(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt128BigEndian(bytes);

    /// <summary>Writes a digest as <see cref="Read"/> reads it.</summary>
    public static void Write(Span<byte> bytes, UInt128 digest) => BinaryPrimitives.WriteUInt128BigEndian(bytes, digest);

    /// <summary>The digest that stands for these, 32 hexadecimal digits.</summary>
    public static string Fold(ReadOnlySpan<byte> digests) => Convert.ToHexStringLower(XxHash128.Hash(digests));

    /// <summary>The digest that stands for the first digests of a stream, 32 hexadecimal digits; null where it holds fewer.</summary>
    public static string? Fold(Stream digests, long count)
    {
        var hash = new XxHash128();
        byte[] buffer = new byte[64 << 10];
        for (long left = count * DigestBytes; left > 0;)
        {
            int read = digests.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
            if (read == 0) return null;
            hash.Append(buffer.AsSpan(0, read));
            left -= read;
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
