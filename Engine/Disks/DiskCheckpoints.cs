namespace VmMigration.Engine.Disks;

/// <summary>
/// Records from time to time how much of a disk is there for good: first the contents and digests are synced, then the record says so. One
/// at a time.
/// </summary>
internal sealed class DiskCheckpoints(
    Guid transferId, DiskBlocks blocks, IWritableDisk disk, DiskDigestFile digests, BlockLedger ledger, IIncompleteDisks records)
{
    private static readonly TimeSpan interval = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private DigestPrefix prefix = new();
    private long recordedBlocks = -1;
    private MigrationException? syncFailure;

    /// <summary>Bytes from the start that are recorded to be there.</summary>
    public long DurableOffsetBytes { get; private set; }

    /// <summary>Makes a checkpoint every second until it is cancelled.</summary>
    /// <param name="made">Told of each that moved the offset.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="MigrationException">Where the storage fails.</exception>
    public async Task RunAsync(Func<Task> made, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await Task.Run(Make, cancellationToken).ConfigureAwait(false)) await made().ConfigureAwait(false);
        }
    }

    /// <summary>Makes one now. Blocks the calling thread.</summary>
    /// <returns>Whether the offset moved.</returns>
    /// <exception cref="MigrationException">Where the storage fails: then the record stays as it was, for good.</exception>
    public bool Make()
    {
        lock (gate)
        {
            long contiguous = ledger.Contiguous;
            if (contiguous == recordedBlocks) return false;
            Sync();
            long offset = blocks.EndBefore(contiguous);
            records.SaveProgress(transferId, offset, Fold(contiguous));
            recordedBlocks = contiguous;
            DurableOffsetBytes = offset;
            return true;
        }
    }

    /// <summary>What stands for the digests of the whole disk, 32 hexadecimal digits; all of it is in place.</summary>
    public string FoldAll()
    {
        lock (gate) return Fold(blocks.Count);
    }

    /// <summary>
    /// Once it has failed it fails for good: the kernel reports a write that was lost to one fdatasync(2) only, and takes what it could not
    /// write for clean from then on, so that the next one would succeed without it.
    /// </summary>
    private void Sync()
    {
        if (syncFailure is { } before) throw new MigrationException(before.Reason, before.Message, before.RecommendedAction, before);
        try
        {
            disk.Sync();
            digests.Sync();
        }
        catch (MigrationException error)
        {
            syncFailure = error;
            throw;
        }
    }

    private string Fold(long end)
    {
        // A block that was taken out again comes back with what it should have been: what was folded of it is of no use.
        if (end < prefix.Blocks || ledger.Removals != prefix.Removals) prefix = new() { Removals = ledger.Removals };
        prefix.Append(digests.Bytes(prefix.Blocks, end), end);
        return prefix.Current;
    }
}
