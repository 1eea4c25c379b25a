namespace VmMigration.Engine.Disks;

/// <summary>The blocks of a disk: the unit that is sent, compared and recorded. The last one may be shorter.</summary>
/// <param name="SizeBytes">Length of the disk.</param>
internal readonly record struct DiskBlocks(long SizeBytes)
{
    /// <summary>Length of every block but the last.</summary>
    public const int BlockBytes = BlockDigests.BlockBytes;

    private static readonly UInt128 zeroDigest = BlockDigests.Of(new byte[BlockBytes]);

    /// <summary>Number of blocks.</summary>
    public long Count => BlockDigests.CountBlocks(SizeBytes);

    /// <summary>Where a block begins.</summary>
    public static long OffsetOf(long block) => block * BlockBytes;

    /// <summary>The block that holds the byte at an offset.</summary>
    public static long BlockAt(long offsetBytes) => offsetBytes / BlockBytes;

    /// <summary>Where the last of the blocks before a number ends.</summary>
    public long EndBefore(long block) => Math.Min(OffsetOf(block), SizeBytes);

    /// <summary>Length of a block.</summary>
    public int LengthOf(long block) => (int)(EndBefore(block + 1) - OffsetOf(block));

    /// <summary>Length of several blocks, one after the other.</summary>
    public long LengthOf(long first, long count) => EndBefore(first + count) - OffsetOf(first);

    /// <summary>The digest of a block that is all zeros.</summary>
    public UInt128 ZeroDigestOf(long block)
    {
        int length = LengthOf(block);
        return length == BlockBytes ? zeroDigest : BlockDigests.Of(new byte[length]);
    }
}
