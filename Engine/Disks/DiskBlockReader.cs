namespace VmMigration.Engine.Disks;

/// <summary>Reads blocks of a disk for their digests. For one thread.</summary>
internal sealed class DiskBlockReader(IDiskContents disk, DiskBlocks blocks)
{
    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(DiskBlocks.BlockBytes, pinned: true);
    private DiskExtent extent;

    /// <summary>The digest of what the disk holds in a block; a hole is not read.</summary>
    /// <exception cref="MigrationException">Where the storage fails.</exception>
    public UInt128 DigestOf(long block)
    {
        long offset = DiskBlocks.OffsetOf(block);
        int length = blocks.LengthOf(block);
        if (offset < extent.OffsetBytes || offset >= extent.EndBytes) extent = disk.FindExtent(offset);
        if (extent.IsZero && extent.EndBytes >= offset + length) return blocks.ZeroDigestOf(block);
        Span<byte> contents = buffer.AsSpan(0, length);
        disk.Read(offset, contents);
        return BlockDigests.Of(contents);
    }
}
