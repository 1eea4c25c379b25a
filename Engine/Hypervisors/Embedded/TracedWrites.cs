using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Marks writes in the byte-per-granule table of a <see cref="SoftwareWriteTrace"/>; a first write to an armed granule is refused.
/// </summary>
/// <param name="marks">The table; the trace keeps it pinned for as long as a vCPU refers to the trace.</param>
/// <param name="shift">log2 of the granule in bytes.</param>
internal readonly unsafe struct TracedWrites(byte* marks, int shift) : IGuestAccess
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsRead(long offset) => true;

    /// <remarks>
    /// No more than a hint that decides who pays for a fault: the answer may be out of date by the time of the store, which is marked in
    /// any case.
    /// </remarks>
    // SAFETY: the table covers all RAM, and programs stay inside their share of RAM.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool AdmitsWrite(long offset) => marks[offset >> shift] != 0;

    /// <remarks>
    /// The store is unconditional and a release: the data is visible before the mark. Looking at the mark first would be a load that
    /// may pass the data's store: the collector could clear the mark and read the page in between, and the write would be lost.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Wrote(long offset)
    {
        // SAFETY: as above.
        Volatile.Write(ref marks[offset >> shift], 1);
    }
}
