using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Finds pages of a process's RAM that fail when the process touches them: marks in its page tables, hardware memory errors, and pages
/// whose access was taken away. New ones are added to <see cref="GuestMemory.Poisoned"/>.
/// </summary>
/// <param name="processId">The process.</param>
/// <param name="address">Address of the RAM block in it.</param>
/// <param name="memory">The RAM block.</param>
/// <param name="hasPagemapScan">Whether PAGEMAP_SCAN may be used; every entry is read otherwise.</param>
/// <remarks>For one thread at a time.</remarks>
public sealed class PoisonSearch(int processId, ulong address, GuestMemory memory, bool hasPagemapScan)
{
    private const int EntriesPerRead = 4096;

    private readonly PagemapEntry[] entries = new PagemapEntry[EntriesPerRead];

    /// <summary>Looks at all memory.</summary>
    /// <param name="source">What to say of a new page about how it was found.</param>
    /// <param name="since">What to say about when.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the process is gone.</exception>
    public void Run(PoisonSource source, DateTimeOffset since)
    {
        FindWithoutAccess(source, since);
        using var pagemap = new Pagemap(processId);
        if (!hasPagemapScan)
        {
            LookAt(pagemap, address, End, source, since);
            return;
        }

        // Marks and memory errors count as swapped; so do the markers of a write trace, which hold a bit of their own.
        using var scan = new PagemapScan(processId);
        for (ulong position = address; position < End;)
        {
            ReadOnlySpan<PageRegion> regions = scan.Find(ref position, End, PageCategories.Swapped, PageCategories.None);
            foreach (ref readonly PageRegion region in regions) LookAt(pagemap, region.Start, region.End, source, since);
        }
    }

    private ulong End => address + (ulong)memory.SizeBytes;

    private void LookAt(Pagemap pagemap, ulong start, ulong end, PoisonSource source, DateTimeOffset since)
    {
        while (start < end)
        {
            Span<PagemapEntry> read = entries.AsSpan(0, (int)Math.Min(EntriesPerRead, (end - start) >> GuestMemory.PageShift));
            pagemap.Read(start, read);
            for (int i = 0; i < read.Length; i++)
            {
                long page = PageOf(start) + i;
                if (memory.Poisoned.Contains(page)) continue;

                // The read that fails adds the page by itself, as one found by reading.
                if (read[i].IsPoisonMarker || (read[i].IsSwapEntry && Fails(page))) memory.Poisoned.Describe(new(page, source, since));
            }

            start += (ulong)read.Length << GuestMemory.PageShift;
        }
    }

    /// <summary>Whether an entry that is neither page nor mark is a memory error: the kernel then fails the file's page too.</summary>
    private bool Fails(long page)
    {
        Span<byte> first = stackalloc byte[1];
        return memory.TryRead(page << GuestMemory.PageShift, first) < first.Length;
    }

    /// <summary>Pages whose access was taken away, by an engine before this one for instance.</summary>
    private void FindWithoutAccess(PoisonSource source, DateTimeOffset since)
    {
        foreach (ProcessMapping mapping in ProcessMaps.Read(processId))
        {
            if (mapping.Start < address || mapping.End > End || mapping.Permissions.StartsWith('r')) continue;
            long end = PageOf(mapping.End);
            for (long page = PageOf(mapping.Start); page < end; page++) memory.Poisoned.Add(new(page, source, since));
        }
    }

    private long PageOf(ulong pageAddress) => (long)(pageAddress - address) >> GuestMemory.PageShift;
}
