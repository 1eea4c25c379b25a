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

    /// <summary>What was done so far.</summary>
    public abstract PopulationStatistics Statistics { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Lets go of the VM's memory. The VM may run before: its faults never wait for the engine.</summary>
    protected abstract void Dispose(bool disposing);
}
