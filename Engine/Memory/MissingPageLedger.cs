using System.Diagnostics;

namespace VmMigration.Engine.Memory;

/// <summary>Which pages are missing, who waits for them and since when. Safe to use from several threads.</summary>
internal sealed class MissingPageLedger
{
    private readonly Lock gate = new();
    private readonly PageSet missing;
    private readonly Dictionary<long, long> waitingSince = [];
    private long remaining;
    private long touches;
    private long stallTicks;

    /// <param name="pages">The pages; copied.</param>
    public MissingPageLedger(PageSet pages)
    {
        missing = pages.Copy();
        remaining = missing.Count;
    }

    /// <summary>Number of missing pages.</summary>
    public long Remaining => Interlocked.Read(ref remaining);

    /// <summary>What they cost so far.</summary>
    public MissingPageStatistics Statistics
    {
        get
        {
            lock (gate) return new(touches, Stopwatch.GetElapsedTime(0, stallTicks));
        }
    }

    /// <summary>A copy of what is missing.</summary>
    public PageSet CopyMissing()
    {
        lock (gate) return missing.Copy();
    }

    /// <summary>
    /// Finds the first run of missing pages at or after <paramref name="from"/>, not reaching past <paramref name="limit"/>.
    /// </summary>
    public bool TryFindRun(long from, long limit, out long first, out long count)
    {
        lock (gate) return missing.TryFindRun(from, limit, out first, out count);
    }

    /// <summary>Notes a touch; false where the page is not missing.</summary>
    public bool Touch(long page)
    {
        lock (gate)
        {
            if (!missing.Contains(page)) return false;
            if (waitingSince.TryAdd(page, Stopwatch.GetTimestamp())) touches++;
            return true;
        }
    }

    /// <summary>Notes that pages are there; true for whoever placed the last one.</summary>
    public bool Place(long first, long count)
    {
        lock (gate)
        {
            long before = remaining;
            long end = first + count;
            for (long next = first; missing.TryFindRun(next, end, out long found, out long run); next = found + run)
            {
                missing.RemoveRange(found, run);
                Interlocked.Add(ref remaining, -run);
                if (waitingSince.Count > 0) EndWaits(found, run);
            }

            return before > 0 && remaining == 0;
        }
    }

    private void EndWaits(long first, long count)
    {
        long now = Stopwatch.GetTimestamp();
        for (long page = first; page < first + count && waitingSince.Count > 0; page++)
        {
            if (waitingSince.Remove(page, out long since)) stallTicks += now - since;
        }
    }
}
