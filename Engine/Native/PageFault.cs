using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>
/// A thread that waits in a page fault until the page is placed, or its protection lifted, or it is woken (<c>struct uffd_msg</c> of
/// linux/userfaultfd.h, event UFFD_EVENT_PAGEFAULT).
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
public readonly struct PageFault
{
    internal const byte PageFaultEvent = 0x12;

    [FieldOffset(0)]
    private readonly byte eventType;

    [FieldOffset(8)]
    private readonly PageFaultKinds kinds;

    [FieldOffset(16)]
    private readonly ulong address;

    /// <summary>What kind of fault it is; <see cref="PageFaultKinds.None"/> is a read of a missing page.</summary>
    public PageFaultKinds Kinds => kinds;

    /// <summary>Address of the page, rounded down to its start.</summary>
    public ulong Address => address;

    internal byte EventType => eventType;
}
