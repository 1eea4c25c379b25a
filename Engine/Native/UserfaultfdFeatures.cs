namespace VmMigration.Engine.Native;

/// <summary>Features of userfaultfd, as UFFDIO_API negotiates them (linux/userfaultfd.h).</summary>
[Flags]
public enum UserfaultfdFeatures : ulong
{
    /// <summary>Nothing beyond the first version.</summary>
    None = 0,

    /// <summary>Faults on missing pages of shared memory (Linux 4.11).</summary>
    MissingShmem = 1 << 5,

    /// <summary>Faults on present, unmapped pages of a hugetlbfs, and UFFDIO_CONTINUE there, a large page at a time (Linux 5.13).</summary>
    MinorHugetlbfs = 1 << 9,

    /// <summary>Faults on present, unmapped pages of shared memory, and UFFDIO_CONTINUE (Linux 5.14).</summary>
    MinorShmem = 1 << 10,

    /// <summary>Write protection of shared memory and hugetlbfs (Linux 5.19).</summary>
    WriteProtectShmem = 1 << 12,

    /// <summary>Write protection of pages never populated (Linux 6.4).</summary>
    WriteProtectUnpopulated = 1 << 13,

    /// <summary>UFFDIO_POISON (Linux 6.6).</summary>
    Poison = 1 << 14,

    /// <summary>The kernel resolves write faults itself and remembers them for PAGEMAP_SCAN (Linux 6.7).</summary>
    WriteProtectAsync = 1 << 15,
}
