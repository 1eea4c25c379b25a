namespace VmMigration.Engine.Memory;

/// <summary>
/// Reports which pages of a running VM were written. Armed from construction to disposal; arming and collecting is done by engine
/// threads and stops no vCPU.
/// </summary>
public abstract class WriteTrace : IDisposable
{
    /// <summary>Asks for the granularity that costs the guest least, found out by measuring.</summary>
    public const int AutoGranularity = 0;

    /// <summary>The coarsest granularity, in bytes.</summary>
    public const int MaxGranularityBytes = 1 << 30;

    /// <summary>The longest delay a first write may be held back by.</summary>
    public static readonly TimeSpan MaxFaultDelay = TimeSpan.FromMilliseconds(20);

    /// <summary>How writes are noticed.</summary>
    public abstract WriteTraceMechanism Mechanism { get; }

    /// <summary>
    /// The unit, in bytes, in which writes are reported: a power of two, at least one page; the smallest one where it differs over memory.
    /// </summary>
    public abstract int GranularityBytes { get; }

    /// <summary>
    /// Whether pages are reported that were not written, because a unit larger than a page was: then it pays to compare contents before
    /// sending.
    /// </summary>
    public virtual bool Overreports => GranularityBytes > GuestMemory.PageSizeBytes;

    /// <summary>What it cost so far.</summary>
    public abstract WriteTraceStatistics Statistics { get; }

    /// <summary>Why not what was asked for is used, in a sentence; null where it is.</summary>
    public virtual string? Fallback => null;

    /// <summary>Whether first writes can be held back, to slow the guest down.</summary>
    public virtual bool CanDelayFaults => false;

    /// <summary>
    /// How long every first write to armed memory is held back, from zero to <see cref="MaxFaultDelay"/>. Takes effect at once; a fault
    /// that is being held when the trace is lifted goes on at once.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> outside the bounds, or where <see cref="CanDelayFaults"/> is false and it is not
    /// zero.
    /// </exception>
    public virtual TimeSpan FaultDelay
    {
        get => TimeSpan.Zero;
        set
        {
            if (value == TimeSpan.Zero) return;
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"A write trace of kind {Mechanism} cannot hold first writes back.",
                "Slow the guest down by its vCPUs' share of time.");
        }
    }

    /// <summary>The trace as it stands.</summary>
    public WriteTraceReport Report => new(Mechanism, GranularityBytes, Statistics, FaultDelay, Fallback);

    /// <summary>
    /// Adds every page written since the last call (or since arming) to <paramref name="written"/> and arms it again, as one atomic
    /// step: a write that this call does not report is reported by a later one. The caller reads page contents only afterwards.
    /// </summary>
    public abstract void CollectAndRearm(PageSet written);

    /// <summary>
    /// Called while the VM still runs, before its last pages are collected with it paused: a trace that reports more than was written adds
    /// what it does not know better to <paramref name="written"/> now, and reports from here on as exactly as it can. Each page that the
    /// last collection reports is read and sent while the guest stands still.
    /// </summary>
    public virtual void PrepareLastCollection(PageSet written)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Lifts the traces.</summary>
    protected abstract void Dispose(bool disposing);
}
