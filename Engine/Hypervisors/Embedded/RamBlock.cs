using System.Runtime.InteropServices;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Zeroed native memory aligned to 2 MiB. It is freed when it is closed and nobody holds a reference any more.</summary>
internal sealed unsafe class RamBlock : SafeHandle
{
    private const int AlignmentBytes = 2 << 20;

    /// <param name="sizeBytes">Size of the block.</param>
    public RamBlock(long sizeBytes)
        : base(0, ownsHandle: true)
    {
        // SAFETY: the block is cleared over exactly the length it was allocated with.
        SetHandle((nint)NativeMemory.AlignedAlloc((nuint)sizeBytes, AlignmentBytes));
        NativeMemory.Clear((void*)handle, (nuint)sizeBytes);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        // SAFETY: the handle came from AlignedAlloc, and SafeHandle calls this once.
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
