using System.IO.Hashing;
using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Contents of disks for tests, and the files a receiver makes of them.</summary>
internal static class SampleBlocks
{
    /// <summary>Blocks that are all different, the same each time.</summary>
    public static byte[] Contents(int blocks, int seed = 1)
    {
        byte[] contents = new byte[blocks * BlockDigests.BlockBytes];
        new Random(seed).NextBytes(contents);
        return contents;
    }

    /// <summary>The digests of the blocks, one after the other.</summary>
    public static byte[] Digests(ReadOnlySpan<byte> contents)
    {
        byte[] digests = new byte[BlockDigests.CountBlocks(contents.Length) * BlockDigests.DigestBytes];
        for (int block = 0; block * BlockDigests.BlockBytes < contents.Length; block++)
        {
            int start = block * BlockDigests.BlockBytes;
            int length = Math.Min(BlockDigests.BlockBytes, contents.Length - start);
            XxHash128.Hash(contents.Slice(start, length), digests.AsSpan(block * BlockDigests.DigestBytes));
        }

        return digests;
    }

    /// <summary>Writes the first blocks into files of the whole length.</summary>
    public static void Write(string filePath, string digestsPath, byte[] contents, int blocks, int sizeBlocks)
    {
        using (var file = new FileStream(filePath, FileMode.OpenOrCreate, FileAccess.Write))
        {
            file.Write(contents, 0, blocks * BlockDigests.BlockBytes);
            file.SetLength((long)sizeBlocks * BlockDigests.BlockBytes);
        }

        File.WriteAllBytes(digestsPath, Digests(contents.AsSpan(0, blocks * BlockDigests.BlockBytes)));
    }
}
