namespace VmMigration.Engine.Native;

/// <summary>What PAGEMAP_SCAN tells of a page (PAGE_IS_* of linux/fs.h).</summary>
[Flags]
public enum PageCategories : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Its memory is registered for write protection in asynchronous mode.</summary>
    WriteProtectAllowed = 1 << 0,

    /// <summary>It was written since it was last protected, or was never protected.</summary>
    Written = 1 << 1,

    /// <summary>It belongs to a file.</summary>
    File = 1 << 2,

    /// <summary>It is mapped.</summary>
    Present = 1 << 3,

    /// <summary>Its page table entry holds a swap entry or a marker.</summary>
    Swapped = 1 << 4,

    /// <summary>It is the shared page of zeros.</summary>
    Zero = 1 << 5,

    /// <summary>It is part of a mapped large page.</summary>
    Huge = 1 << 6,
}
