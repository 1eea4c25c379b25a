using System.Runtime.CompilerServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Marks nothing: no write trace is armed.</summary>
internal readonly struct UntracedWrites : IWriteMark
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Mark(long offset)
    {
    }
}
