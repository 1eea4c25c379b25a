namespace VmMigration.Engine.Hypervisors;

/// <summary>The pages that a VM's RAM is on. Numbers are fixed: they travel and are journaled.</summary>
public enum MemoryBacking
{
    /// <summary>Not a backing.</summary>
    Invalid = 0,

    /// <summary>Pages of 4 KiB.</summary>
    BasePages = 1,

    /// <summary>
    /// Pages of 2 MiB where the kernel has whole ones free, of 4 KiB elsewhere: for QEMU a tmpfs mounted <c>huge=always</c>, for the
    /// embedded hypervisor anonymous memory with <c>MADV_HUGEPAGE</c> (Documentation/admin-guide/mm/transhuge.rst).
    /// </summary>
    TransparentHugePages = 2,

    /// <summary>
    /// Pages of 2 MiB out of those the administrator reserved (<c>vm.nr_hugepages</c>), on a hugetlbfs; QEMU only
    /// (Documentation/admin-guide/mm/hugetlbpage.rst).
    /// </summary>
    HugeTlb = 3,
}
