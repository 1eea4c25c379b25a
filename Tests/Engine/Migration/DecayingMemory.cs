using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Tests.Migration;

/// <summary>
/// Memory that, once spoilt, reads right page by page, while a read of several pages at once flips a bit: what is sent differs from what is
/// hashed.
/// </summary>
internal sealed class DecayingMemory(GuestMemory inner) : GuestMemory(inner.SizeBytes)
{
    public override int TryRead(long offset, Span<byte> destination)
    {
        int count = inner.TryRead(offset, destination);
        if (Spoil && destination.Length > PageSizeBytes) destination[0] ^= 1;
        return count;
    }

    public bool Spoil { get; set; }

    public override void Write(long offset, ReadOnlySpan<byte> source) => inner.Write(offset, source);

    public override Span<byte> ReceiveWindow(long offset, int lengthBytes) => inner.ReceiveWindow(offset, lengthBytes);

    public override bool TryFindData(long offset, out long start, out long end) => inner.TryFindData(offset, out start, out end);

    protected override void Dispose(bool disposing)
    {
    }
}
