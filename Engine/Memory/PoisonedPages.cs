using System.Collections.Concurrent;

namespace VmMigration.Engine.Memory;

/// <summary>
/// The pages of one VM that are known to be poisoned. A page stays poisoned for as long as the VM lives. Safe to use from several
/// threads.
/// </summary>
public sealed class PoisonedPages
{
    private readonly ConcurrentDictionary<long, PoisonedPage> pages = new();
    private volatile bool any;

    /// <summary>Whether no page is. The page path asks this first.</summary>
    public bool IsEmpty => !any;

    /// <summary>Number of pages.</summary>
    public int Count => pages.Count;

    /// <summary>Whether the page is poisoned.</summary>
    public bool Contains(long page) => any && pages.ContainsKey(page);

    /// <summary>Adds a page; what is known of it already stays.</summary>
    /// <returns>Whether it is new.</returns>
    public bool Add(PoisonedPage page)
    {
        bool added = pages.TryAdd(page.Page, page);
        any = true;
        return added;
    }

    /// <summary>Adds a page, or puts this in the place of what is known of it.</summary>
    public void Describe(PoisonedPage page)
    {
        pages[page.Page] = page;
        any = true;
    }

    /// <summary>
    /// How many bytes from <paramref name="offset"/> on, at most <paramref name="lengthBytes"/>, lie before the next poisoned page.
    /// </summary>
    public int ReadableBytes(long offset, int lengthBytes)
    {
        if (!any || lengthBytes == 0) return lengthBytes;
        long first = FindFirst(offset >> GuestMemory.PageShift, ((offset + lengthBytes - 1) >> GuestMemory.PageShift) + 1);
        return first < 0 ? lengthBytes : (int)Math.Max((first << GuestMemory.PageShift) - offset, 0);
    }

    /// <summary>The first poisoned page from <paramref name="first"/> to before <paramref name="end"/>; −1 where there is none.</summary>
    public long FindFirst(long first, long end)
    {
        if (!any) return -1;
        long found = -1;
        foreach (long page in pages.Keys)
        {
            if (page >= first && page < end && (found < 0 || page < found)) found = page;
        }

        return found;
    }

    /// <summary>All of them, in the order of their numbers.</summary>
    public IReadOnlyList<PoisonedPage> ToList() => [.. pages.Values.OrderBy(page => page.Page)];
}
