namespace VmMigration.Engine.Memory;

/// <summary>
/// The ranges of memory to watch for touches of missing pages. Each splits the VM's mapping, of which a process has 65,530 at most
/// (vm.max_map_count), so that near ones are joined until few are left. Pure.
/// </summary>
/// <remarks>
/// They begin and end with large pages of 2 MiB: where no page of one is there, the touch of a page in it that is not watched makes the
/// kernel allocate all of it as zeros, missing pages included (mm/shmem.c before Linux 6.14), and nobody would wait for those any more.
/// </remarks>
internal static class MissingRanges
{
    private const int MaxRanges = 256;
    private const long LargePagePages = 512;

    /// <summary>Covers all pages of a set by ranges of pages, ascending and apart from each other.</summary>
    public static IReadOnlyList<(long First, long Count)> Cover(PageSet pages)
    {
        for (long gap = LargePagePages; ; gap *= 2)
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
            long from = first - (first % LargePagePages);
            long end = Math.Min((first + count + LargePagePages - 1) / LargePagePages * LargePagePages, pages.PageCount);
            if (ranges.Count > 0 && from - (ranges[^1].First + ranges[^1].Count) <= gap)
            {
                ranges[^1] = (ranges[^1].First, end - ranges[^1].First);
            }
            else
            {
                ranges.Add((from, end - from));
            }
        }

        return ranges;
    }
}
