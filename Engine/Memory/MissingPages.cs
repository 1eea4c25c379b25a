namespace VmMigration.Engine.Memory;

/// <summary>
/// The pages of a VM that runs already while their contents are still at the host it came from. A vCPU that touches one waits until it is
/// placed. What is placed is whole before the guest sees any of it. Ends with the last page, or by disposal, which lets no waiting vCPU see
/// a page that was not placed: it is for a VM that is destroyed.
/// </summary>
/// <remarks>Placing is safe from several threads at once; a page that is there already is left alone.</remarks>
public abstract class MissingPages : IDisposable
{
    /// <summary>Number of pages that have not been placed.</summary>
    public abstract long RemainingCount { get; }

    /// <summary>Number of pages vCPUs waited for, and for how long in all.</summary>
    public abstract MissingPageStatistics Statistics { get; }

    /// <summary>
    /// Waits on the calling thread until a vCPU touches a missing page; every such page is reported once at least. Somebody must wait here
    /// until the last page is placed: the touch of a page that never held anything may need an answer too, and gets it here.
    /// </summary>
    /// <returns>The page's number; −1 once all pages are placed.</returns>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public abstract long WaitForTouch(CancellationToken cancellationToken);

    /// <summary>Places consecutive pages with their contents, a multiple of the page size, and wakes who waits for them.</summary>
    public abstract void Place(long firstPage, ReadOnlySpan<byte> contents);

    /// <summary>Places consecutive pages of zeros and wakes who waits for them.</summary>
    public abstract void PlaceZeros(long firstPage, long count);

    /// <summary>
    /// Declares a missing page poisoned: whoever touches it has a memory error, and the memory's <see cref="GuestMemory.Poisoned"/> holds
    /// it. A page that is there already stays good.
    /// </summary>
    public abstract void PlacePoisoned(long page);

    /// <summary>The pages that have not been placed.</summary>
    public abstract PageSet CopyRemaining();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends it.</summary>
    protected abstract void Dispose(bool disposing);
}
