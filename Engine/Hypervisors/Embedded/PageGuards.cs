using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Which pages of a VM its vCPUs may not touch: one byte per page, 0 for an ordinary one. The table is made when the first page is guarded,
/// which happens while the vCPUs stand; a VM without any pays nothing.
/// </summary>
internal sealed unsafe class PageGuards(long pageCount)
{
    private const byte Missing = 1;
    private const byte Placing = 2;
    private const byte Poisoned = 4;

    // Pinned and garbage-collected, so that whoever uses it needs no more than a reference.
    private volatile byte[]? table;
    private int version;

    /// <summary>
    /// Grows whenever pages were guarded, and when the last missing page was placed: what a vCPU found out before is out of date.
    /// </summary>
    public int Version => Volatile.Read(ref version);

    /// <summary>The byte of page 0, for <see cref="GuardedAccess"/>; valid while the caller holds a reference to this.</summary>
    public byte* Table => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(table!));

    /// <summary>Whether any page of the range is guarded.</summary>
    public bool AnyIn(long firstPage, long count) =>
        table is { } bytes && bytes.AsSpan(checked((int)firstPage), checked((int)count)).ContainsAnyExcept((byte)0);

    /// <summary>Whether a touch of the page is a memory error.</summary>
    public bool IsPoisoned(long page) => (Read(page) & Poisoned) != 0;

    /// <summary>Whether the page has still to be placed.</summary>
    public bool IsMissing(long page) => (Read(page) & Missing) != 0;

    /// <summary>Poisons a page, for good.</summary>
    public void Poison(long page)
    {
        Change(page, 0, Poisoned);
        Announce();
    }

    /// <summary>Makes pages missing; only while the vCPUs stand.</summary>
    public void TakeAway(PageSet pages)
    {
        for (long from = 0; pages.TryFindRun(from, pages.PageCount, out long first, out long count); from = first + count)
        {
            for (long page = first; page < first + count; page++) Change(page, 0, Missing);
        }

        Announce();
    }

    /// <summary>The pages that have still to be placed.</summary>
    public PageSet CopyMissing()
    {
        var missing = new PageSet(pageCount);
        for (long page = 0; page < pageCount; page++)
        {
            if (IsMissing(page)) missing.Add(page);
        }

        return missing;
    }

    /// <summary>Claims a missing page for the caller, who alone may write it until it is published.</summary>
    /// <returns>False where the page is there, or somebody else is about to place it.</returns>
    public bool TryClaim(long page)
    {
        while (true)
        {
            byte seen = Read(page);
            if ((seen & (Missing | Placing)) != Missing) return false;
            if (TryChange(page, seen, (byte)(seen | Placing))) return true;
        }
    }

    /// <summary>Gives a claimed page to the guest: a full fence, so that its contents are visible first.</summary>
    public void Publish(long page) => Change(page, Missing | Placing, 0);

    /// <summary>Lets every vCPU look anew whether its share holds guarded pages.</summary>
    public void Announce() => Interlocked.Increment(ref version);

    private byte Read(long page) => table is { } bytes ? Volatile.Read(ref bytes[page]) : (byte)0;

    private void Change(long page, byte clear, byte set)
    {
        byte[] bytes = table ??= GC.AllocateArray<byte>(checked((int)pageCount), pinned: true);
        byte seen;
        do
        {
            seen = Volatile.Read(ref bytes[page]);
        }
        while (Interlocked.CompareExchange(ref bytes[page], (byte)((seen & ~clear) | set), seen) != seen);
    }

    private bool TryChange(long page, byte seen, byte next) => Interlocked.CompareExchange(ref table![page], next, seen) == seen;
}
