using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>
/// Memory in an array, of which pages fail: those that are known as poisoned, and those that turn bad at their first read.
/// </summary>
internal sealed class FaultyMemory(byte[] content) : GuestMemory(content.Length)
{
    private readonly HashSet<long> bad = [];
    private int reads;

    /// <summary>Pages that fail when they are read and are not known before.</summary>
    public ISet<long> Bad => bad;

    /// <summary>How often anything was read.</summary>
    public int Reads => reads;

    public override int TryRead(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        Interlocked.Increment(ref reads);
        long end = offset + destination.Length;
        foreach (long page in bad.Where(page => (page + 1) * PageSizeBytes > offset && page * PageSizeBytes < end).Order().Take(1))
        {
            end = Math.Max(page * PageSizeBytes, offset);
            if (Poisoned.ReadableBytes(offset, (int)(end - offset)) == end - offset)
            {
                Poisoned.Add(new(page, PoisonSource.FailedRead, DateTimeOffset.UtcNow));
            }
        }

        int count = Poisoned.ReadableBytes(offset, (int)(end - offset));
        content.AsSpan((int)offset, count).CopyTo(destination);
        return count;
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        source.CopyTo(content.AsSpan((int)offset));
    }

    public override Span<byte> ReceiveWindow(long offset, int lengthBytes) => content.AsSpan((int)offset, lengthBytes);

    public override bool TryFindData(long offset, out long start, out long end)
    {
        start = offset;
        end = SizeBytes;
        return offset < SizeBytes;
    }

    protected override void Dispose(bool disposing)
    {
    }
}
