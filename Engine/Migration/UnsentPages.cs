using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The pages a post-copy still has to send; each is taken once, by the background push or for a request. Safe to use from several threads.
/// </summary>
internal sealed class UnsentPages(PageSet pages)
{
    /// <summary>
    /// A request brings along what is unsent of the 32 KiB around it: a guest that touches a page touches its neighbours soon, and the time
    /// of a request is that of the way there and back.
    /// </summary>
    private const int PagesPerRequest = 8;

    private readonly Lock gate = new();

    /// <summary>Number of pages that were not taken.</summary>
    public long Count
    {
        get
        {
            lock (gate) return pages.Count;
        }
    }

    /// <summary>Takes what is left of a frame's pages; false where nothing is.</summary>
    /// <param name="basePage">First page of the frame.</param>
    /// <param name="taken">Takes the pages.</param>
    public bool TryTakeFrame(long basePage, PageSet taken)
    {
        lock (gate) return Take(basePage, basePage + PageFrame.MaxPages, taken);
    }

    /// <summary>
    /// Takes a page that was asked for, also where it was taken before, since it may be on its way for long; and its neighbours.
    /// </summary>
    public void TakeRequested(long page, PageSet taken)
    {
        long first = page - (page % PagesPerRequest);
        lock (gate) Take(first, first + PagesPerRequest, taken);
        taken.Add(page);
    }

    private bool Take(long from, long limit, PageSet taken)
    {
        bool any = false;
        for (long next = from; pages.TryFindRun(next, limit, out long first, out long count); next = first + count)
        {
            taken.AddRange(first, count);
            pages.RemoveRange(first, count);
            any = true;
        }

        return any;
    }
}
