using System.Runtime.CompilerServices;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Refuses pages that are missing or poisoned, see <see cref="PageGuards"/>.</summary>
/// <param name="guards">One byte per page of RAM; pinned for as long as a vCPU refers to its owner.</param>
internal readonly unsafe struct GuardedAccess(byte* guards) : IGuestAccess
{
    /// <remarks>An acquire: whoever sees the page unguarded sees the contents it was placed with.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsRead(long offset)
    {
        // SAFETY: the table covers all RAM, and programs stay inside their share of RAM.
        return Volatile.Read(ref guards[offset >> GuestMemory.PageShift]) == 0;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsWrite(long offset) => AdmitsRead(offset);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Wrote(long offset)
    {
    }
}
