namespace VmMigration.Engine.Disks;

/// <summary>
/// Which blocks of a disk lie wholly in holes, as it was at one moment. Asking a file for its extents waits for whoever writes it (ext4 takes
/// the lock of the inode for SEEK_DATA and SEEK_HOLE), and makes the writers wait too: so that is done once, before blocks arrive.
/// </summary>
internal sealed class DiskHoles
{
    private readonly ulong[] holes;

    private DiskHoles(ulong[] holes) => this.holes = holes;

    /// <summary>Looks through a disk.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="blocks">Its blocks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="MigrationException">Where the storage fails.</exception>
    public static DiskHoles Find(IDiskContents disk, DiskBlocks blocks, CancellationToken cancellationToken)
    {
        ulong[] holes = new ulong[(blocks.Count + 63) / 64];
        DiskExtent extent;
        for (long offset = 0; offset < blocks.SizeBytes; offset = extent.EndBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            extent = disk.FindExtent(offset);
            if (!extent.IsZero) continue;
            long end = extent.EndBytes >= blocks.SizeBytes ? blocks.Count : DiskBlocks.BlockAt(extent.EndBytes);
            for (long block = BlockDigests.CountBlocks(offset); block < end; block++) holes[block >> 6] |= 1UL << (int)(block & 63);
        }

        return new(holes);
    }

    /// <summary>Whether a block lies wholly in a hole.</summary>
    public bool Contains(long block) => (holes[block >> 6] & (1UL << (int)(block & 63))) != 0;
}
