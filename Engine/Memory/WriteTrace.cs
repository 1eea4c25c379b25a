namespace VmMigration.Engine.Memory;

/// <summary>
/// Reports which pages of a running VM were written. Armed from construction to disposal; arming and collecting is done by engine
/// threads and stops no vCPU.
/// </summary>
public abstract class WriteTrace : IDisposable
{
    /// <summary>How writes are noticed.</summary>
    public abstract WriteTraceMechanism Mechanism { get; }

    /// <summary>The unit, in bytes, in which writes are reported: a power of two, at least one page.</summary>
    public abstract int GranularityBytes { get; }

    /// <summary>Number of times a range was armed, and the time that took.</summary>
    public abstract WriteTraceStatistics Statistics { get; }

    /// <summary>
    /// Adds every page written since the last call (or since arming) to <paramref name="written"/> and arms it again, as one atomic
    /// step: a write that this call does not report is reported by a later one. The caller reads page contents only afterwards.
    /// </summary>
    public abstract void CollectAndRearm(PageSet written);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Lifts the traces.</summary>
    protected abstract void Dispose(bool disposing);
}
