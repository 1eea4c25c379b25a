namespace VmMigration.Engine.Hypervisors;

/// <summary>A disk's overlay being copied. Disposal ends it at once, whatever has been copied; the VM goes on with its disk as before.</summary>
public interface IVmDiskMirror : IAsyncDisposable
{
    /// <summary>Ends once both sides are equal, from when on every write goes to both; fails where the mirror does.</summary>
    Task Ready { get; }

    /// <summary>Fails once the mirror has failed; otherwise it ends with it.</summary>
    Task Ended { get; }

    /// <summary>Bytes that have been copied, and bytes there are to copy, as known now.</summary>
    Task<(long DoneBytes, long TotalBytes)> ReadProgressAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Ends a mirror that is ready, of a VM that is paused: when the task ends the copy is complete and flushed. The VM keeps its own disk.
    /// </summary>
    Task CompleteAsync(CancellationToken cancellationToken);
}
