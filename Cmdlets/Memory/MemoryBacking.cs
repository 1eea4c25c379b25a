namespace VmMigration.Cmdlets;

/// <summary>The pages that a VM's RAM is on.</summary>
public enum MemoryBacking
{
    /// <summary>Pages of 4 KiB.</summary>
    BasePages = 1,

    /// <summary>Pages of 2 MiB where the kernel has whole ones free, of 4 KiB elsewhere.</summary>
    TransparentHugePages = 2,

    /// <summary>Pages of 2 MiB out of those the administrator reserved (vm.nr_hugepages); QEMU only.</summary>
    HugeTlb = 3,
}
