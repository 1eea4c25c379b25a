namespace VmMigration.Engine.Native;

/// <summary>One entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).</summary>
/// <param name="Bits">The 64 bits as the kernel gives them.</param>
public readonly record struct PagemapEntry(ulong Bits)
{
    /// <summary>Size of an entry in bytes.</summary>
    public const int SizeBytes = 8;

    private const ulong PresentBit = 1UL << 63;
    private const ulong SwappedBit = 1UL << 62;
    private const int TypeBits = 5;
    private const ulong TypeMask = (1UL << TypeBits) - 1;
    private const ulong OffsetMask = (1UL << 50) - 1;

    // The last of the swap types is the marker (include/linux/swap.h), and its offset holds the flags of include/linux/swapops.h.
    private const ulong MarkerType = TypeMask;
    private const ulong MarkerPoisoned = 1 << 1;

    /// <summary>Whether the page is mapped.</summary>
    public bool IsPresent => (Bits & PresentBit) != 0;

    /// <summary>Whether the entry is empty: a first touch faults the page in.</summary>
    public bool IsEmpty => (Bits & (PresentBit | SwappedBit)) == 0;

    /// <summary>
    /// Whether the entry holds something that is no page and no marker: swapped out, on the move, or a hardware memory error.
    /// </summary>
    public bool IsSwapEntry => (Bits & SwappedBit) != 0 && (Bits & TypeMask) != MarkerType;

    /// <summary>Whether the entry holds the mark that UFFDIO_POISON leaves.</summary>
    public bool IsPoisonMarker =>
        (Bits & SwappedBit) != 0 && (Bits & TypeMask) == MarkerType && (Bits >> TypeBits & OffsetMask & MarkerPoisoned) != 0;
}
