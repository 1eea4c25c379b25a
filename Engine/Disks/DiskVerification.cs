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

    // The transfer can end no sooner than this: a continued one consists of little else.
    private static readonly int readers = Math.Clamp(Environment.ProcessorCount, 1, 4);

    private long comparedFirst = long.MaxValue;
    private long comparedEnd;
    private long nextTrusted = -1;

    /// <summary>Whether the source may have been told the digests of a run of blocks.</summary>
    public bool HasCompared(long first, long count) =>
        first >= Interlocked.Read(ref comparedFirst) && first + count <= Interlocked.Read(ref comparedEnd);

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
        DiskHoles holes = DiskHoles.Find(disk, blocks, cancellationToken);
        if (comparesRest) Compare(trustedBlocks, holes, compared, cancellationToken);
        compared.Complete();

        // Each has a thread of its own, which waits for storage. Where one fails the others need not read to the end.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] reading = new Task[(int)Math.Min(readers, trustedBlocks)];
        for (int i = 0; i < reading.Length; i++)
        {
            reading[i] = Task.Factory.StartNew(
                () => Verify(trustedBlocks, holes, askAgain, stop), CancellationToken.None, TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
        }

        Task.WhenAll(reading).GetAwaiter().GetResult();
        cancellationToken.ThrowIfCancellationRequested();
        ledger.EndVerification();
    }

    private void Verify(long trustedBlocks, DiskHoles holes, Action<long> askAgain, CancellationTokenSource stop)
    {
        var reader = new DiskBlockReader(disk, blocks, holes);
        try
        {
            for (long block = Interlocked.Increment(ref nextTrusted); block < trustedBlocks; block = Interlocked.Increment(ref nextTrusted))
            {
                if (stop.IsCancellationRequested) return;
                if (reader.DigestOf(block) == digests[block]) continue;
                ledger.Remove(block);
                askAgain(block);
            }
        }
        catch
        {
            stop.Cancel();
            throw;
        }
    }

    private void Compare(
        long firstBlock, DiskHoles holes, ChannelWriter<(long First, long End)> compared, CancellationToken cancellationToken)
    {
        var reader = new DiskBlockReader(disk, blocks, holes);
        Interlocked.Exchange(ref comparedFirst, firstBlock);
        long told = firstBlock;
        for (long block = firstBlock; block < blocks.Count; block++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            digests.Note(block, reader.DigestOf(block));

            // The first ones soon, so that the source can begin.
            bool tells = block + 1 == blocks.Count || block + 1 - told >= Math.Clamp(told - firstBlock, 16, MaxDigests);
            if (!tells) continue;
            Interlocked.Exchange(ref comparedEnd, block + 1);
            compared.TryWrite((told, block + 1));
            told = block + 1;
        }
    }
}
