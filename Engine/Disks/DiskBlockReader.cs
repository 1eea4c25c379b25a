namespace VmMigration.Engine.Disks;

/// <summary>Reads blocks of a disk for their digests. For one thread.</summary>
/// <param name="disk">The disk.</param>
/// <param name="blocks">Its blocks.</param>
/// <param name="holes">Which of them need not be read.</param>
internal sealed class DiskBlockReader(IDiskContents disk, DiskBlocks blocks, DiskHoles holes)
{
    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(DiskBlocks.BlockBytes, pinned: true);

    /// <summary>The digest of what the disk holds in a block; a hole is not read.</summary>
    /// <exception cref="MigrationException">Where the storage fails.</exception>
    public UInt128 DigestOf(long block)
    {
        if (holes.Contains(block)) return blocks.ZeroDigestOf(block);
        Span<byte> contents = buffer.AsSpan(0, blocks.LengthOf(block));
        disk.Read(DiskBlocks.OffsetOf(block), contents);
        return BlockDigests.Of(contents);
    }
}
