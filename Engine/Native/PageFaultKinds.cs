namespace VmMigration.Engine.Native;

/// <summary>What kind a page fault is (UFFD_PAGEFAULT_FLAG_* of linux/userfaultfd.h); a missing page has neither of the last two.</summary>
[Flags]
public enum PageFaultKinds : ulong
{
    /// <summary>A read of a page that is missing.</summary>
    None = 0,

    /// <summary>The access was a write.</summary>
    Write = 1 << 0,

    /// <summary>The page is protected against writes.</summary>
    WriteProtected = 1 << 1,

    /// <summary>The page is in the file and not mapped.</summary>
    Minor = 1 << 2,
}
