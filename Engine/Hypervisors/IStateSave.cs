namespace VmMigration.Engine.Hypervisors;

/// <summary>
/// The save of a VM's device state, begun while the VM ran and held at the moment of its pause. Disposal without completion gives it up:
/// the VM can be resumed, or already runs again as it did before.
/// </summary>
public interface IStateSave : IAsyncDisposable
{
    /// <summary>Writes the rest of the state; the VM stays paused.</summary>
    Task CompleteAsync(CancellationToken cancellationToken);
}
