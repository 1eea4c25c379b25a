namespace VmMigration.Engine.Memory;

/// <summary>
/// The ranges of memory to watch for touches of missing pages. Each splits the VM's mapping, of which a process has 65,530 at most
/// (vm.max_map_count), so that near ones are joined until few are left. Pure.
/// </summary>
internal static class MissingRanges
{
    private const int MaxRanges = 256;
    private const long FirstGapPages = 512;

    /// <summary>Covers all pages of a set by ranges of pages, ascending and apart from each other.</summary>
    public static IReadOnlyList<(long First, long Count)> Cover(PageSet pages)
    {
        for (long gap = FirstGapPages; ; gap *= 2)
        {
            List<(long First, long Count)> ranges = Join(pages, gap);
            if (ranges.Count <= MaxRanges) return ranges;
        }
    }

    private static List<(long First, long Count)> Join(PageSet pages, long gap)
    {
        List<(long First, long Count)> ranges = [];
        for (long next = 0; pages.TryFindRun(next, pages.PageCount, out long first, out long count); next = first + count)
        {
            if (ranges.Count > 0 && first - (ranges[^1].First + ranges[^1].Count) <= gap)
            {
                ranges[^1] = (ranges[^1].First, first + count - ranges[^1].First);
            }
            else
            {
                ranges.Add((first, count));
            }
        }

        return ranges;
    }
}
