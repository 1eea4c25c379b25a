using System.Numerics;

namespace VmMigration.Engine.Memory;

/// <summary>A set of page numbers of one guest memory: one bit per page. Not safe for use from several threads at once.</summary>
public sealed class PageSet
{
    private readonly ulong[] words;

    /// <param name="pageCount">Pages are numbered 0 to <paramref name="pageCount"/> − 1.</param>
    public PageSet(long pageCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pageCount);
        PageCount = pageCount;
        words = new ulong[(pageCount + 63) / 64];
    }

    /// <summary>Number of pages that can be members.</summary>
    public long PageCount { get; }

    /// <summary>Number of pages that are members.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (ulong word in words) count += BitOperations.PopCount(word);
            return count;
        }
    }

    /// <summary>Whether the page is a member.</summary>
    public bool Contains(long page)
    {
        CheckRange(page, 1);
        return (words[page >> 6] >> (int)(page & 63) & 1) != 0;
    }

    /// <summary>Adds one page.</summary>
    public void Add(long page)
    {
        CheckRange(page, 1);
        words[page >> 6] |= 1UL << (int)(page & 63);
    }

    /// <summary>Adds <paramref name="count"/> pages from <paramref name="first"/> on.</summary>
    public void AddRange(long first, long count)
    {
        CheckRange(first, count);
        while (count > 0)
        {
            int bit = (int)(first & 63);
            int span = (int)Math.Min(64 - bit, count);
            words[first >> 6] |= Mask(bit, span);
            first += span;
            count -= span;
        }
    }

    /// <summary>Removes one page.</summary>
    public void Remove(long page)
    {
        CheckRange(page, 1);
        words[page >> 6] &= ~(1UL << (int)(page & 63));
    }

    /// <summary>Removes <paramref name="count"/> pages from <paramref name="first"/> on.</summary>
    public void RemoveRange(long first, long count)
    {
        CheckRange(first, count);
        while (count > 0)
        {
            int bit = (int)(first & 63);
            int span = (int)Math.Min(64 - bit, count);
            words[first >> 6] &= ~Mask(bit, span);
            first += span;
            count -= span;
        }
    }

    /// <summary>Makes a set with the same members.</summary>
    public PageSet Copy()
    {
        var copy = new PageSet(PageCount);
        words.CopyTo(copy.words, 0);
        return copy;
    }

    /// <summary>Removes every page.</summary>
    public void Clear() => Array.Clear(words);

    /// <summary>
    /// Finds the first run of consecutive members at or after <paramref name="from"/>, not reaching past <paramref name="limit"/>.
    /// </summary>
    /// <returns>False where no member is left in the range.</returns>
    public bool TryFindRun(long from, long limit, out long first, out long count)
    {
        limit = Math.Min(limit, PageCount);
        first = NextBit(from, limit, set: true);
        if (first >= limit)
        {
            count = 0;
            return false;
        }

        count = NextBit(first + 1, limit, set: false) - first;
        return true;
    }

    private long NextBit(long from, long limit, bool set)
    {
        while (from < limit)
        {
            ulong word = set ? words[from >> 6] : ~words[from >> 6];
            word >>= (int)(from & 63);
            if (word != 0) return Math.Min(from + BitOperations.TrailingZeroCount(word), limit);
            from = (from | 63) + 1;
        }

        return limit;
    }

    private static ulong Mask(int bit, int count) => (count == 64 ? ulong.MaxValue : (1UL << count) - 1) << bit;

    private void CheckRange(long first, long count)
    {
        if (first < 0 || count < 0 || first > PageCount - count)
        {
            throw new ArgumentOutOfRangeException(nameof(first), $"Pages {first}+{count} are outside a set of {PageCount}.");
        }
    }
}
