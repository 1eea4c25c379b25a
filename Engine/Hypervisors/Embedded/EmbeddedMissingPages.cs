using System.Diagnostics;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The missing pages of an embedded VM. A page is claimed, filled and only then published, so a vCPU sees all of it or waits, and what the
/// guest wrote since is never overwritten by a second copy.
/// </summary>
internal sealed class EmbeddedMissingPages : MissingPages
{
    private readonly EmbeddedMemory memory;
    private readonly PageGuards guards;
    private readonly Lock touching = new();
    private readonly Dictionary<long, Touch> touches = [];
    private readonly Queue<long> unreported = new();
    private readonly SemaphoreSlim reports = new(0);
    private long remaining;
    private int touchedCount;
    private long touchCount;
    private long stallTicks;
    private bool disposed;

    /// <param name="memory">The RAM of the VM, whose vCPUs stand.</param>
    /// <param name="missing">The pages to take away.</param>
    public EmbeddedMissingPages(EmbeddedMemory memory, PageSet missing)
    {
        this.memory = memory;
        guards = memory.Guards;
        remaining = missing.Count;
        guards.TakeAway(missing);
    }

    /// <inheritdoc/>
    public override long RemainingCount => Interlocked.Read(ref remaining);

    /// <inheritdoc/>
    public override MissingPageStatistics Statistics
    {
        get
        {
            lock (touching) return new(touchCount, Stopwatch.GetElapsedTime(0, stallTicks));
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">It was disposed while pages were missing.</exception>
    public override long WaitForTouch(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (touching)
            {
                while (unreported.TryDequeue(out long page))
                {
                    if (guards.IsMissing(page)) return page;
                }

                if (RemainingCount == 0)
                {
                    // Whoever else waits is to hear it too.
                    reports.Release();
                    return -1;
                }

                if (disposed)
                {
                    reports.Release();
                    throw new ObjectDisposedException(nameof(MissingPages));
                }
            }

            reports.Wait(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public override void Place(long firstPage, ReadOnlySpan<byte> contents)
    {
        CheckPages(firstPage, contents.Length >> GuestMemory.PageShift, contents.Length % GuestMemory.PageSizeBytes == 0);
        for (int offset = 0; offset < contents.Length; offset += GuestMemory.PageSizeBytes)
        {
            PlaceOne(firstPage + (offset >> GuestMemory.PageShift), contents.Slice(offset, GuestMemory.PageSizeBytes));
        }
    }

    /// <inheritdoc/>
    public override void PlaceZeros(long firstPage, long count)
    {
        CheckPages(firstPage, count, whole: true);
        for (long page = firstPage; page < firstPage + count; page++) PlaceOne(page, GuestMemory.ZeroPage);
    }

    /// <inheritdoc/>
    public override void PlacePoisoned(long page)
    {
        CheckPages(page, 1, whole: true);
        if (!guards.TryClaim(page)) return;

        // One that was announced before says more than this host can know.
        PoisonedPage? announced = memory.Poisoned.ToList().FirstOrDefault(known => known.Page == page);
        memory.Poison(announced ?? new(page, PoisonSource.Carried, DateTimeOffset.UtcNow));
        Publish(page);
    }

    /// <inheritdoc/>
    public override PageSet CopyRemaining() => guards.CopyMissing();

    /// <summary>Whether the page has still to be placed.</summary>
    internal bool IsMissing(long page) => guards.IsMissing(page);

    /// <summary>Reports that a vCPU touched a page, and lets it be woken when the page is placed, until <see cref="Leave"/>.</summary>
    /// <returns>False where the page is there by now, so that there is nothing to wait for.</returns>
    internal bool Await(long page, AutoResetEvent wake)
    {
        lock (touching)
        {
            bool known = touches.TryGetValue(page, out Touch? touch);
            if (!known)
            {
                touches.Add(page, touch = new(Stopwatch.GetTimestamp()));
                Interlocked.Increment(ref touchedCount);
            }

            // Only now, after the full fence: whoever published the page before that fence may not have seen this touch.
            if (!guards.IsMissing(page))
            {
                if (!known) Forget(page);
                return false;
            }

            if (!known) touchCount++;
            touch!.Waiting.Add(wake);
            unreported.Enqueue(page);
            reports.Release();
            return true;
        }
    }

    /// <summary>Wakes no more for this page.</summary>
    internal void Leave(long page, AutoResetEvent wake)
    {
        lock (touching)
        {
            if (touches.TryGetValue(page, out Touch? touch)) touch.Waiting.Remove(wake);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        lock (touching)
        {
            if (disposed) return;
            disposed = true;
            reports.Release();
        }
    }

    private void PlaceOne(long page, ReadOnlySpan<byte> contents)
    {
        if (!guards.TryClaim(page)) return;
        memory.Write(page << GuestMemory.PageShift, contents);
        Publish(page);
    }

    private void Publish(long page)
    {
        guards.Publish(page);
        if (Volatile.Read(ref touchedCount) > 0) WakeFor(page);
        if (Interlocked.Decrement(ref remaining) > 0) return;
        guards.Announce();
        reports.Release();
    }

    private void WakeFor(long page)
    {
        lock (touching)
        {
            if (!touches.TryGetValue(page, out Touch? touch)) return;
            stallTicks += Stopwatch.GetTimestamp() - touch.Since;
            foreach (AutoResetEvent wake in touch.Waiting) wake.Set();
            Forget(page);
        }
    }

    private void Forget(long page)
    {
        touches.Remove(page);
        Interlocked.Decrement(ref touchedCount);
    }

    private void CheckPages(long firstPage, long count, bool whole)
    {
        if (whole && firstPage >= 0 && count >= 0 && firstPage <= memory.PageCount - count) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidArgument,
            $"Pages {firstPage}+{count} cannot be placed: they are no whole pages of a memory of {memory.PageCount}.");
    }

    /// <summary>A page that was touched while missing, and who waits for it.</summary>
    private sealed class Touch(long since)
    {
        public long Since => since;

        public List<AutoResetEvent> Waiting { get; } = [];
    }
}
