using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// RAM of an embedded VM: native memory of this process. Ownership: the VM owns it and disposes it after its vCPU threads have ended.
/// Each read and write holds a reference meanwhile, so memory is unmapped only after the last of them has returned; later ones throw.
/// A <see cref="ReceiveWindow"/> outlives its call and holds none: who ends a VM has first ended whatever received into it.
/// </summary>
internal sealed unsafe class EmbeddedMemory : GuestMemory
{
    private const int ChunkShift = 21;

    private readonly MemoryMapping block;
    private readonly byte[] writtenChunks;
    private long programBytes;
    private volatile bool closed;

    /// <param name="sizeBytes">Size of the RAM block; a multiple of 2 MiB.</param>
    /// <param name="backing">The pages it is to be on.</param>
    public EmbeddedMemory(long sizeBytes, MemoryBacking backing = MemoryBacking.BasePages)
        : base(sizeBytes)
    {
        writtenChunks = new byte[checked((int)(((sizeBytes - 1) >> ChunkShift) + 1))];
        block = MemoryMapping.AllocateAnonymous(sizeBytes, largePages: backing == MemoryBacking.TransparentHugePages);
        Start = block.Pointer;
        Guards = new PageGuards(PageCount);
    }

    /// <summary>Start of RAM, for the vCPUs; valid until disposal.</summary>
    internal byte* Start { get; }

    /// <summary>Which pages the vCPUs may not touch.</summary>
    internal PageGuards Guards { get; }

    /// <inheritdoc/>
    /// <remarks>A page that is missing reads as whatever was received for it so far.</remarks>
    public override int TryRead(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        int count = Poisoned.ReadableBytes(offset, destination.Length);
        bool held = Hold();
        try
        {
            // SAFETY: the range was checked and the reference keeps the block mapped. A race with a vCPU yields old or new bytes.
            new ReadOnlySpan<byte>(Start + offset, count).CopyTo(destination);
            return count;
        }
        finally
        {
            if (held) block.DangerousRelease();
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        bool held = Hold();
        try
        {
            NoteWrite(offset, source.Length);

            // SAFETY: the range was checked and the reference keeps the block mapped.
            source.CopyTo(new Span<byte>(Start + offset, source.Length));
        }
        finally
        {
            if (held) block.DangerousRelease();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Valid until the VM is destroyed, see the class.</remarks>
    public override Span<byte> ReceiveWindow(long offset, int lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        bool held = Hold();
        try
        {
            NoteWrite(offset, lengthBytes);

            // SAFETY: the range was checked; the owner of the VM keeps the block mapped while windows are in use.
            return new Span<byte>(Start + offset, lengthBytes);
        }
        finally
        {
            if (held) block.DangerousRelease();
        }
    }

    /// <inheritdoc/>
    public override bool TryFindData(long offset, out long start, out long end)
    {
        CheckRange(offset, 0);
        start = offset & -PageSizeBytes;
        while (start < SizeBytes && !MayHoldData(start)) start = EndOfExtentAt(start);
        end = start;
        while (end < SizeBytes && MayHoldData(end)) end = EndOfExtentAt(end);
        return start < SizeBytes;
    }

    /// <summary>Declares that the vCPUs may from now on write the first bytes of RAM.</summary>
    internal void OpenToProgram(long lengthBytes) => Volatile.Write(ref programBytes, lengthBytes);

    /// <summary>How much of it the page tables map, and by which pages; null where the kernel does not say.</summary>
    internal LargePageCoverage? ReadLargePageCoverage()
    {
        if (!OperatingSystem.IsLinux()) return null;
        bool held = Hold();
        try
        {
            LargePageUse.Amount amount = LargePageUse.Read(Environment.ProcessId, (ulong)Start, (ulong)Start + (ulong)SizeBytes);
            return new(amount.MappedBytes, amount.LargeBytes);
        }
        finally
        {
            if (held) block.DangerousRelease();
        }
    }

    /// <summary>Makes a touch of the page by the guest a memory error, and its contents unreadable.</summary>
    internal void Poison(PoisonedPage page)
    {
        // Not only added: one that came with its VM is known already, without its address here.
        Poisoned.Describe(page with { GuestPhysicalAddress = page.Page << PageShift });
        Guards.Poison(page.Page);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        // A disposed SafeHandle still lets new users in while an old one holds it: a stream of readers would keep the memory for ever.
        closed = true;
        block.Dispose();
    }

    private bool Hold()
    {
        if (closed) throw Gone(null);
        bool held = false;
        try
        {
            block.DangerousAddRef(ref held);
            return held;
        }
        catch (ObjectDisposedException exception)
        {
            throw Gone(exception);
        }
    }

    private static MigrationException Gone(Exception? cause) => new(
        MigrationErrorReason.VmExited, "The memory of this embedded VM is gone: the VM was ended.", "Start the VM again.", cause);

    private void NoteWrite(long offset, long lengthBytes)
    {
        if (lengthBytes == 0) return;
        for (long chunk = offset >> ChunkShift; chunk <= (offset + lengthBytes - 1) >> ChunkShift; chunk++)
        {
            Volatile.Write(ref writtenChunks[chunk], 1);
        }
    }

    private bool MayHoldData(long offset) =>
        offset < Volatile.Read(ref programBytes) || Volatile.Read(ref writtenChunks[offset >> ChunkShift]) != 0;

    /// <summary>Up to where the answer for this offset holds: the end of its chunk, or of the program's part inside it.</summary>
    private long EndOfExtentAt(long offset)
    {
        long chunkEnd = ((offset >> ChunkShift) + 1) << ChunkShift;
        long programEnd = Volatile.Read(ref programBytes);
        return Math.Min(SizeBytes, offset < programEnd && programEnd < chunkEnd ? programEnd : chunkEnd);
    }
}
