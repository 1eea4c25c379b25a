using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Reads runs of guest pages and goes on behind those that cannot be read, known to be poisoned or not. Where nothing is poisoned a run
/// costs one read.
/// </summary>
/// <remarks>For one thread at a time; nothing is allocated per page.</remarks>
internal sealed class PoisonSafeReader(GuestMemory memory, int maxPages)
{
    private readonly PageSet poisoned = new(maxPages);
    private bool any;

    /// <summary>Reads pages; the bytes of one that cannot be read are left as they were.</summary>
    /// <param name="firstPage">Number of the first page.</param>
    /// <param name="destination">A multiple of the page size, at most the most pages given at construction.</param>
    public void Read(long firstPage, Span<byte> destination)
    {
        if (any) poisoned.Clear();
        any = false;
        long offset = firstPage << GuestMemory.PageShift;
        for (int done = 0; done < destination.Length;)
        {
            done += memory.TryRead(offset + done, destination[done..]);
            if (done == destination.Length) return;
            int page = done >> GuestMemory.PageShift;
            poisoned.Add(page);
            any = true;
            done = (page + 1) << GuestMemory.PageShift;
        }
    }

    /// <summary>Whether the page could not be read.</summary>
    /// <param name="index">Counts from the first page that was read last.</param>
    public bool IsPoisoned(int index) => any && poisoned.Contains(index);
}
