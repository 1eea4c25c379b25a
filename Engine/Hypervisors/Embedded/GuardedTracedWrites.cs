using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>A guest with poisoned pages whose writes are traced: what either refuses is refused.</summary>
/// <param name="guarded">Asked first: a page that cannot be had costs no trace fault.</param>
/// <param name="traced">Where to mark.</param>
internal readonly struct GuardedTracedWrites(GuardedAccess guarded, TracedWrites traced) : IGuestAccess
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsRead(long offset) => guarded.AdmitsRead(offset);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsWrite(long offset) => guarded.AdmitsWrite(offset) && traced.AdmitsWrite(offset);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Wrote(long offset) => traced.Wrote(offset);
}
