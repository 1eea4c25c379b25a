namespace VmMigration.Engine.Memory;

/// <summary>
/// Fills the page tables of an incoming VM while its memory arrives, so that the guest does not pay a fault per page after it resumes.
/// </summary>
public abstract class PageTablePopulator : IDisposable
{
    /// <summary>
    /// Maps the pages of the range that hold data. The data must be in place. Safe to call from several threads; a page that is
    /// mapped already is left alone.
    /// </summary>
    public abstract void Populate(long offset, long lengthBytes);

    /// <summary>
    /// Whether a page of zeros is to be written there and populated like data, although memory reads as zeros without: a large page of the
    /// source that holds nothing else would not arrive otherwise.
    /// </summary>
    public virtual bool WantsZeros(long offset) => false;

    /// <summary>What was done so far.</summary>
    public abstract PopulationStatistics Statistics { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the VM's memory back to the kernel's ordinary fault handling; must happen before the VM loads its state.</summary>
    protected abstract void Dispose(bool disposing);
}
