using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>The poisoned pages of one QEMU: finds them in its page tables, names them as its guest does, and makes pages fail.</summary>
internal sealed class QemuPoison : IDisposable
{
    private readonly QemuProcess process;
    private readonly QemuRam ram;
    private readonly QmpEventStream failures;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly PoisonSearch search;
    private readonly PoisonMarker marker;
    private readonly bool byMark;
    private readonly HashSet<long> keptSmall = [];
    private GuestPhysicalMap? map;

    /// <param name="process">The QEMU; it stays the caller's, as <paramref name="ram"/> does.</param>
    /// <param name="ram">Its RAM.</param>
    /// <param name="features">What the kernel gives.</param>
    public QemuPoison(QemuProcess process, QemuRam ram, KernelFeatures features)
    {
        this.process = process;
        this.ram = ram;
        search = new(process.Handle.ProcessId, ram.Address, ram.Memory, features.PagemapScan);
        byMark = features.PoisonMarkObstacle is null;
        marker = new(process.Handle, ram.Address, ram.Memory.SizeBytes, byMark);
        Refused = ram.Obstacle ?? FindObstacle(ram.Backing, features);
        Fallback = Refused is null && !byMark ? $"all access to them is taken away (mprotect): {features.PoisonMarkObstacle}" : null;
        failures = process.Qmp.Subscribe("MEMORY_FAILURE");
    }

    /// <summary>Why no page can be made to fail; null where one can.</summary>
    public string? Refused { get; }

    /// <summary>In what other way than by a mark a page is made to fail, and why; null where it is marked.</summary>
    public string? Fallback { get; }

    /// <summary>Why no page of RAM on this backing can be made to fail; null where one can.</summary>
    public static string? FindObstacle(MemoryBacking backing, KernelFeatures features) => backing == MemoryBacking.HugeTlb
        ? "The guest's RAM is on a hugetlbfs, whose pages of 2 MiB cannot fail in parts." : features.PoisonObstacle;

    /// <summary>Looks for poisoned pages anew, and lists all that are known.</summary>
    public async Task<IReadOnlyList<PoisonedPage>> FindAsync(CancellationToken cancellationToken)
    {
        // No address: memory that is out of reach has no pages to look at.
        if (ram.Address == 0) return [];
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            (PoisonSource source, DateTimeOffset since) = ReadFailures();
            await Task.Run(() => search.Run(source, since), cancellationToken).ConfigureAwait(false);
            if (ram.Memory.Poisoned.IsEmpty) return [];
            GuestPhysicalMap guest = await ReadMapAsync(cancellationToken).ConfigureAwait(false);
            return [.. ram.Memory.Poisoned.ToList().Select(page => page with
            {
                GuestPhysicalAddress = guest.AddressOf(page.Page << GuestMemory.PageShift),
            })];
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Where the guest sees its RAM. It is asked for once: a PC's map does not change where its RAM is.</summary>
    public async Task<GuestPhysicalMap> ReadMapAsync(CancellationToken cancellationToken) =>
        map ??= await QemuMemoryTree.ReadAsync(process.Qmp, cancellationToken).ConfigureAwait(false);

    /// <summary>Makes pages fail; they are known as poisoned once they do.</summary>
    public async Task MarkAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await Task.Run(() => marker.Mark(pages.Select(page => page.Page)), cancellationToken).ConfigureAwait(false);
            foreach (PoisonedPage page in pages) ram.Memory.Poisoned.Add(page);
            await Task.Run(KeepSmall, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Sees to it that marks last, also those that another engine, or the pages of a post-copy, left.</summary>
    public async Task KeepMarksAsync(CancellationToken cancellationToken)
    {
        if (ram.Memory.Poisoned.IsEmpty) return;
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await Task.Run(KeepSmall, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>How a guest that died without a word may have died.</summary>
    public string? ExplainCrash()
    {
        IReadOnlyList<PoisonedPage> pages = ram.Memory.Poisoned.ToList();
        if (pages.Count == 0) return null;
        IEnumerable<PoisonedPage> named = map is null ? pages
            : pages.Select(page => page with { GuestPhysicalAddress = map.AddressOf(page.Page << GuestMemory.PageShift) });
        return $"It has {Migration.PoisonRefusals.Count(pages)} ({Migration.PoisonRefusals.Name([.. named])}):"
            + " a guest that touches one ends"
            + " like this (SIGBUS, or SIGSEGV where access was taken away).";
    }

    /// <inheritdoc/>
    public void Dispose() => failures.Dispose();

    private void KeepSmall()
    {
        if (!byMark || Refused is not null) return;
        long[] pages = [.. ram.Memory.Poisoned.ToList().Select(page => page.Page).Where(page => !keptSmall.Contains(page))];
        marker.KeepSmall(pages);
        foreach (long page in pages) ram.Memory.KeepSmall(page);
        keptSmall.UnionWith(pages);
    }

    /// <summary>QEMU's event names no page: what is found for the first time after one was meant by it.</summary>
    private (PoisonSource Source, DateTimeOffset Since) ReadFailures()
    {
        DateTimeOffset? first = null;
        while (failures.TryRead(out QmpEvent? failure)) first ??= failure.Timestamp;
        return first is { } since ? (PoisonSource.MemoryFailureEvent, since) : (PoisonSource.Kernel, DateTimeOffset.UtcNow);
    }
}
