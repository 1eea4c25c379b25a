using System.Threading.Channels;

namespace VmMigration.Engine.Disks;

/// <summary>
/// Reads what earlier transfers left of a disk, while the rest arrives: first the part whose blocks the source is to compare, then the part
/// that is there for good by its record, to find out whether it is still what its digests say.
/// </summary>
/// <param name="disk">The disk.</param>
/// <param name="blocks">Its blocks.</param>
/// <param name="digests">The digests of the trusted blocks; those of the others are noted.</param>
/// <param name="ledger">Loses the blocks that are damaged.</param>
internal sealed class DiskVerification(IWritableDisk disk, DiskBlocks blocks, DiskDigestFile digests, BlockLedger ledger)
{
    /// <summary>Most digests that are told at once.</summary>
    public const int MaxDigests = 4096;

    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(DiskBlocks.BlockBytes, pinned: true);
    private DiskExtent extent;

    /// <summary>Reads it all. Blocks the calling thread.</summary>
    /// <param name="trustedBlocks">The first blocks, which are there for good.</param>
    /// <param name="comparesRest">Whether all after them are to be compared.</param>
    /// <param name="compared">Takes the ranges of blocks whose digests are known, from the first block to the one behind the last.</param>
    /// <param name="askAgain">Asks the source for a block that is damaged.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public void Run(
        long trustedBlocks, bool comparesRest, ChannelWriter<(long First, long End)> compared, Action<long> askAgain,
        CancellationToken cancellationToken)
    {
        if (comparesRest) Compare(trustedBlocks, compared, cancellationToken);
        compared.Complete();
        for (long block = 0; block < trustedBlocks; block++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Read(block) == digests[block]) continue;
            ledger.Remove(block);
            askAgain(block);
        }

        ledger.EndVerification();
    }

    private void Compare(long firstBlock, ChannelWriter<(long First, long End)> compared, CancellationToken cancellationToken)
    {
        long told = firstBlock;
        for (long block = firstBlock; block < blocks.Count; block++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            digests.Note(block, Read(block));

            // The first ones soon, so that the source can begin.
            if (block + 1 - told < MaxDigests && block + 1 - told < Math.Max(16, told - firstBlock)) continue;
            compared.TryWrite((told, block + 1));
            told = block + 1;
        }

        if (told < blocks.Count) compared.TryWrite((told, blocks.Count));
    }

    private UInt128 Read(long block)
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
