namespace VmMigration.Engine.Disks;

/// <summary>
/// Hands out the blocks of a disk to the data connections that send it: damaged ones first, then those the destination has told the digests
/// of, then the others in their order. Safe to use from several threads.
/// </summary>
internal sealed class DiskSendQueue
{
    private readonly object gate = new();
    private readonly IDiskContents disk;
    private readonly DiskBlocks blocks;
    private readonly Queue<long> damaged = new();
    private readonly Queue<(long First, ReadOnlyMemory<byte> Digests)> told = new();
    private readonly bool comparesRest;
    private DiskExtent extent;
    private long next;
    private int atWork;
    private bool suspended;
    private bool closed;

    /// <param name="disk">The disk.</param>
    /// <param name="trustedBlocks">The first blocks, which the destination has.</param>
    /// <param name="comparesRest">Whether the destination tells the digests of all others.</param>
    public DiskSendQueue(IDiskContents disk, long trustedBlocks, bool comparesRest)
    {
        this.disk = disk;
        this.comparesRest = comparesRest;
        blocks = new(disk.SizeBytes);
        next = trustedBlocks;
    }

    /// <summary>Whether nothing is left to be handed out, and what was handed out has been done.</summary>
    public bool IsDrained
    {
        get { lock (gate) return damaged.Count == 0 && atWork == 0 && next >= blocks.Count; }
    }

    /// <summary>Takes the digests of what the destination has from a block on.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/> where they are not the next ones.</exception>
    public void AddDigests(long first, ReadOnlyMemory<byte> digests)
    {
        lock (gate)
        {
            long expected = told.Count == 0 ? next : told.Last().First + (told.Last().Digests.Length / BlockDigests.DigestBytes);
            if (!comparesRest || first != expected)
            {
                throw new MigrationException(
                    MigrationErrorReason.ProtocolViolation, $"The destination tells digests from block {first} on where those from {expected} on are next.");
            }

            told.Enqueue((first, digests));
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Has a block sent once more.</summary>
    public void AddDamaged(long block)
    {
        lock (gate)
        {
            damaged.Enqueue(block);
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Hands nothing out until it is resumed.</summary>
    public void Suspend()
    {
        lock (gate) suspended = true;
    }

    /// <summary>Hands out again.</summary>
    public void Resume()
    {
        lock (gate)
        {
            suspended = false;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Hands out nothing more, and lets all who wait go.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits for something to do; false once the queue is closed. Each item is answered with <see cref="Done"/>.</summary>
    public bool TryTake(out DiskSendItem item)
    {
        lock (gate)
        {
            while (!closed)
            {
                if (!suspended && TryFind(out item))
                {
                    atWork++;
                    return true;
                }

                Monitor.Wait(gate);
            }

            item = default;
            return false;
        }
    }

    /// <summary>An item has been sent.</summary>
    public void Done()
    {
        lock (gate) atWork--;
    }

    private bool TryFind(out DiskSendItem item)
    {
        if (damaged.TryDequeue(out long block))
        {
            item = new(DiskSendKind.Repair, block, 1);
            return true;
        }

        if (next >= blocks.Count || (comparesRest && told.Count == 0))
        {
            item = default;
            return false;
        }

        item = comparesRest ? FindCompared() : FindUnsent();
        next += item.Count;
        return true;
    }

    private DiskSendItem FindUnsent()
    {
        long zeros = CountZeroBlocks();
        return zeros > 0 ? new(DiskSendKind.Zeros, next, zeros) : new(DiskSendKind.Send, next, 1);
    }

    private DiskSendItem FindCompared()
    {
        (long first, ReadOnlyMemory<byte> digests) = told.Peek();
        ReadOnlySpan<byte> left = digests.Span[(int)((next - first) * BlockDigests.DigestBytes)..];
        UInt128 expected = BlockDigests.Read(left);
        long zeros = CountZeroBlocks();
        DiskSendItem item = zeros > 0 ? FindZeros(left, zeros) : new(DiskSendKind.Compare, next, 1, expected);
        if (item.Count * BlockDigests.DigestBytes == left.Length) told.Dequeue();
        return item;
    }

    /// <summary>As many blocks of a hole as are alike at the destination: nothing has to be read for them.</summary>
    private DiskSendItem FindZeros(ReadOnlySpan<byte> left, long zeros)
    {
        long most = Math.Min(zeros, left.Length / BlockDigests.DigestBytes);
        bool same = BlockDigests.Read(left) == blocks.ZeroDigestOf(next);
        long count = 1;
        while (count < most
            && BlockDigests.Read(left[(int)(count * BlockDigests.DigestBytes)..]) == blocks.ZeroDigestOf(next + count) == same)
        {
            count++;
        }

        return new(same ? DiskSendKind.Same : DiskSendKind.Zeros, next, count);
    }

    /// <summary>How many blocks from the next one on lie wholly in a hole.</summary>
    private long CountZeroBlocks()
    {
        long offset = DiskBlocks.OffsetOf(next);
        if (offset < extent.OffsetBytes || offset >= extent.EndBytes) extent = disk.FindExtent(offset);
        if (!extent.IsZero) return 0;
        return extent.EndBytes >= blocks.SizeBytes ? blocks.Count - next : DiskBlocks.BlockAt(extent.EndBytes) - next;
    }
}
