namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Marks as <see cref="TracedWrites"/> does and refuses nothing: the step that goes on after its fault was paid for.</summary>
/// <param name="traced">Where to mark.</param>
internal readonly struct LiftedWrites(TracedWrites traced) : IGuestAccess
{
    /// <inheritdoc/>
    public bool AdmitsRead(long offset) => true;

    /// <inheritdoc/>
    public bool AdmitsWrite(long offset) => true;

    /// <inheritdoc/>
    public void Wrote(long offset) => traced.Wrote(offset);
}
