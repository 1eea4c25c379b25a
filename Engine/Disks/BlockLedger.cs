namespace VmMigration.Engine.Disks;

/// <summary>Which blocks of a disk are in place. Safe to use from several threads.</summary>
internal sealed class BlockLedger
{
    private readonly Lock gate = new();
    private readonly long count;
    private readonly ulong[] placed;
    private readonly TaskCompletionSource complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long missing;
    private long contiguous;
    private long removals;
    private bool open = true;

    /// <param name="count">Number of blocks.</param>
    public BlockLedger(long count)
    {
        this.count = count;
        placed = new ulong[(count + 63) / 64];
        missing = count;
    }

    /// <summary>Blocks from the first on that are in place without a gap.</summary>
    public long Contiguous
    {
        get
        {
            lock (gate)
            {
                while (contiguous < count && IsPlaced(contiguous)) contiguous++;
                return contiguous;
            }
        }
    }

    /// <summary>Blocks in place.</summary>
    public long Placed
    {
        get { lock (gate) return count - missing; }
    }

    /// <summary>How often a block was taken out.</summary>
    public long Removals => Interlocked.Read(ref removals);

    /// <summary>Ends once every block is in place and nothing more is to be verified (<see cref="EndVerification"/>).</summary>
    public Task Complete => complete.Task;

    /// <summary>Puts a run of blocks in place; those that are already stay so.</summary>
    public void Place(long first, long blocks)
    {
        lock (gate)
        {
            for (long block = first; block < first + blocks; block++)
            {
                if (IsPlaced(block)) continue;
                placed[block >> 6] |= 1UL << (int)(block & 63);
                missing--;
            }

            TellComplete();
        }
    }

    /// <summary>Takes a block out that is not what it was taken for.</summary>
    public void Remove(long block)
    {
        lock (gate)
        {
            if (!IsPlaced(block)) return;
            placed[block >> 6] &= ~(1UL << (int)(block & 63));
            missing++;
            removals++;
            contiguous = Math.Min(contiguous, block);
        }
    }

    /// <summary>All that was there before has been looked at.</summary>
    public void EndVerification()
    {
        lock (gate)
        {
            open = false;
            TellComplete();
        }
    }

    private bool IsPlaced(long block) => (placed[block >> 6] & (1UL << (int)(block & 63))) != 0;

    private void TellComplete()
    {
        if (!open && missing == 0) complete.TrySetResult();
    }
}
