using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The part of RAM that one vCPU reads and writes. Shares are disjoint, so the contents of memory depend on how many steps each vCPU
/// ran and never on how their steps interleaved.
/// </summary>
internal readonly unsafe struct GuestShare
{
    private GuestShare(ulong* words, long offsetBytes, long wordCount)
    {
        Words = words;
        OffsetBytes = offsetBytes;
        WordCount = wordCount;
    }

    /// <summary>First word of the share; null where only its extent was asked for.</summary>
    public ulong* Words { get; }

    /// <summary>Offset of the share in RAM, in bytes; page-aligned.</summary>
    public long OffsetBytes { get; }

    /// <summary>Length in words of 8 bytes.</summary>
    public long WordCount { get; }

    /// <summary>Cuts the working set into page-aligned shares of equal size, give or take a page.</summary>
    /// <param name="ram">Start of RAM; null where only the extent matters.</param>
    /// <param name="workingSetBytes">Length of the working set; it starts where RAM starts.</param>
    /// <param name="vcpu">Number of the vCPU, from 0.</param>
    /// <param name="vcpuCount">Number of vCPUs.</param>
    public static GuestShare Of(byte* ram, long workingSetBytes, int vcpu, int vcpuCount)
    {
        Int128 pages = workingSetBytes >> GuestMemory.PageShift;
        long start = (long)(pages * vcpu / vcpuCount) << GuestMemory.PageShift;
        long end = (long)(pages * (vcpu + 1) / vcpuCount) << GuestMemory.PageShift;

        // SAFETY: callers validated that the working set lies inside the RAM block; a null base is never dereferenced.
        return new(ram is null ? null : (ulong*)(ram + start), start, (end - start) / sizeof(ulong));
    }
}
