namespace VmMigration.Engine.Hypervisors;

/// <summary>An overlay being written into the image below. Disposal before the pivot ends it: the overlay stays in use.</summary>
public interface IVmDiskMerge : IAsyncDisposable
{
    /// <summary>Ends once both are equal, and stay so; fails where the merge does.</summary>
    Task Ready { get; }

    /// <summary>
    /// Has the guest use the image below instead of the overlay; what was written is flushed. Of a paused VM both read the same when the task
    /// ends: only from its next write on the overlay is out of date.
    /// </summary>
    Task PivotAsync();
}
