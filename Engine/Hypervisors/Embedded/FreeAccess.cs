using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Admits everything and marks nothing: no write trace is armed, no page is missing or poisoned.</summary>
internal readonly struct FreeAccess : IGuestAccess
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsRead(long offset) => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsWrite(long offset) => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Wrote(long offset)
    {
    }
}
