using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Marks writes in the byte-per-granule table of a <see cref="SoftwareWriteTrace"/>.</summary>
/// <param name="marks">The table; the trace keeps it pinned for as long as a vCPU refers to the trace.</param>
/// <param name="shift">log2 of the granule in bytes.</param>
internal readonly unsafe struct TracedWrites(byte* marks, int shift) : IWriteMark
{
    /// <remarks>
    /// The store is unconditional and a release: the data is visible before the mark. Looking at the mark first would be a load that
    /// may pass the data's store: the collector could clear the mark and read the page in between, and the write would be lost.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Mark(long offset)
    {
        // SAFETY: the table covers all RAM, and programs stay inside their share of RAM.
        Volatile.Write(ref marks[offset >> shift], 1);
    }
}
