namespace VmMigration.Engine.Native;

/// <summary>
/// What this kernel, and the rights of this account, give the engine. Probed once and passed to whoever depends on it; a fallback is
/// forced by <c>features with { PagemapScan = false }</c>.
/// </summary>
public sealed record KernelFeatures
{
    private const string UserfaultfdNeed = "userfaultfd (a kernel with it, and no seccomp filter against it)";
    private const string ShmemNeed = "userfaultfd write protection of shared memory (Linux 5.19)";
    private const string UnpopulatedNeed = "userfaultfd write protection of unpopulated pages (Linux 6.4)";
    private const string PoisonNeed = "UFFDIO_POISON (Linux 6.6)";
    private const string PidfdNeed = "pidfd_getfd (Linux 5.6)";

    /// <summary>userfaultfd(2) can be called.</summary>
    public bool Userfaultfd { get; init; }

    /// <summary>
    /// userfaultfd(2) may handle faults of system calls too (CAP_SYS_PTRACE, or vm.unprivileged_userfaultfd=1): without that no thread can
    /// be made to wait in a fault for the engine, because QEMU reads disks into guest memory by system calls.
    /// </summary>
    public bool KernelModeFaults { get; init; }

    /// <summary>UFFD_FEATURE_WP_ASYNC, Linux 6.7.</summary>
    public bool WriteProtectAsync { get; init; }

    /// <summary>UFFD_FEATURE_WP_HUGETLBFS_SHMEM, Linux 5.19.</summary>
    public bool WriteProtectShmem { get; init; }

    /// <summary>UFFD_FEATURE_WP_UNPOPULATED, Linux 6.4.</summary>
    public bool WriteProtectUnpopulated { get; init; }

    /// <summary>UFFD_FEATURE_MINOR_SHMEM, Linux 5.14: UFFDIO_CONTINUE on shared memory.</summary>
    public bool MinorShmem { get; init; }

    /// <summary>UFFD_FEATURE_POISON, Linux 6.6.</summary>
    public bool Poison { get; init; }

    /// <summary>PAGEMAP_SCAN, Linux 6.7.</summary>
    public bool PagemapScan { get; init; }

    /// <summary>pidfd_getfd(2), Linux 5.6.</summary>
    public bool PidfdGetfd { get; init; }

    /// <summary>A tmpfs can put its files on large pages (a kernel with transparent large pages).</summary>
    public bool HugeTmpfs { get; init; }

    /// <summary>The kernel keeps a pool of pages of 2 MiB (hugetlbfs).</summary>
    public bool HugeTlb { get; init; }

    /// <summary>File systems can be mounted: CAP_SYS_ADMIN.</summary>
    public bool Mount { get; init; }

    /// <summary>
    /// Memory of other processes can be mapped by large pages: process_madvise(2) with MADV_COLLAPSE, Linux 6.1, and CAP_SYS_NICE.
    /// </summary>
    public bool ProcessMadvise { get; init; }

    /// <summary>System calls can be injected: x86-64, and the right to trace processes of other parents.</summary>
    public bool Ptrace { get; init; }

    /// <summary>What is missing for tracing writes of a VM in any way, in a sentence; null where one way works.</summary>
    public string? WriteTraceObstacle =>
        AsyncTraceObstacle is { } byKernel && SyncTraceObstacle is { } byEngine ? $"{byKernel} {byEngine}" : null;

    /// <summary>What is missing for tracing writes page by page, with the kernel resolving the faults; null where nothing is.</summary>
    public string? AsyncTraceObstacle => Describe(
        "Writes cannot be traced by the kernel",
        (Userfaultfd, UserfaultfdNeed),
        (WriteProtectShmem, ShmemNeed),
        (WriteProtectUnpopulated, UnpopulatedNeed),
        (WriteProtectAsync, "userfaultfd asynchronous write protection (Linux 6.7)"),
        (PagemapScan, "PAGEMAP_SCAN (Linux 6.7)"),
        (PidfdGetfd, PidfdNeed),
        (Ptrace, PtraceNeed));

    /// <summary>What is missing for tracing writes in any unit, with the engine handling the faults; null where nothing is.</summary>
    public string? SyncTraceObstacle => Describe(
        "First writes cannot be handled by the engine",
        (Userfaultfd, UserfaultfdNeed),
        (KernelModeFaults, "the right to handle page faults of system calls (root or CAP_SYS_PTRACE, see vm.unprivileged_userfaultfd)"),
        (WriteProtectShmem, ShmemNeed),
        (WriteProtectUnpopulated, UnpopulatedNeed),
        (PidfdGetfd, PidfdNeed),
        (Ptrace, PtraceNeed));

    /// <summary>What is missing for letting a VM run before all of its memory is there, in a sentence; null where nothing is.</summary>
    public string? PostcopyObstacle => Describe(
        "Missing pages cannot be handled from outside the VM",
        (Userfaultfd, UserfaultfdNeed),
        (KernelModeFaults, "the right to handle page faults of system calls (root or CAP_SYS_PTRACE, see vm.unprivileged_userfaultfd)"),

        // For a page that turns bad at the source meanwhile. Kernels before it also gather large pages over missing ones.
        (Poison, PoisonNeed),
        (PidfdGetfd, PidfdNeed),
        (Ptrace, PtraceNeed));

    /// <summary>What is missing for filling a VM's page tables, in a sentence; null where nothing is.</summary>
    public string? PopulationObstacle => Describe(
        "Page tables cannot be filled from outside the VM",
        (Userfaultfd, UserfaultfdNeed),
        (MinorShmem, "UFFDIO_CONTINUE on shared memory (Linux 5.14)"),
        (PidfdGetfd, PidfdNeed),
        (Ptrace, PtraceNeed));

    /// <summary>What is missing for putting guest memory on a tmpfs of large pages; null where nothing is.</summary>
    public string? HugeTmpfsObstacle => Describe(
        "Guest memory cannot be put on a tmpfs of large pages",
        (HugeTmpfs, "large pages of shared memory (CONFIG_TRANSPARENT_HUGEPAGE)"),
        (Mount, MountNeed));

    /// <summary>What is missing for putting guest memory on reserved large pages; null where nothing is.</summary>
    public string? HugeTlbObstacle => Describe(
        "Guest memory cannot be put on a hugetlbfs",
        (HugeTlb, "a pool of pages of 2 MiB (CONFIG_HUGETLBFS)"),
        (Mount, MountNeed));

    /// <summary>What is missing for mapping a VM's memory by large pages before its guest touches it; null where nothing is.</summary>
    public string? LargePopulationObstacle => Describe(
        "Large pages are mapped only when the guest touches them",
        (ProcessMadvise, "process_madvise with MADV_COLLAPSE (Linux 6.1, root or CAP_SYS_NICE)"));

    private const string MountNeed = "the right to mount file systems (root or CAP_SYS_ADMIN)";

    /// <summary>What is missing for making single pages of a VM fail in any way; null where one way works.</summary>
    public string? PoisonObstacle => Describe("Pages cannot be made to fail", (Ptrace, PtraceNeed));

    /// <summary>
    /// What is missing for marking pages as having a memory error in the page tables, instead of taking all access to them away; null where
    /// nothing is.
    /// </summary>
    public string? PoisonMarkObstacle => Describe(
        "Pages cannot be marked as having a memory error",
        (Userfaultfd, UserfaultfdNeed),
        (WriteProtectShmem, ShmemNeed),
        (Poison, PoisonNeed),
        (PidfdGetfd, PidfdNeed),
        (Ptrace, PtraceNeed));

    private static string PtraceNeed => Native.Ptrace.IsSupported
        ? "the right to trace processes (root or CAP_SYS_PTRACE, see kernel.yama.ptrace_scope)"
        : "injected system calls, which are written for x86-64 Linux only";

    /// <summary>Tries each feature on this process. Only the error that means 'absent' counts as absence; any other is thrown.</summary>
    public static KernelFeatures Probe()
    {
        if (!OperatingSystem.IsLinux()) return new();
        UserfaultfdFeatures? available = KernelFeatureTrials.UserfaultfdFeatures();
        UserfaultfdFeatures features = available ?? UserfaultfdFeatures.None;
        var largePages = new LargePageSettings();
        return new()
        {
            Userfaultfd = available is not null,
            KernelModeFaults = available is not null && KernelFeatureTrials.KernelModeFaults(),
            WriteProtectAsync = features.HasFlag(UserfaultfdFeatures.WriteProtectAsync),
            WriteProtectShmem = features.HasFlag(UserfaultfdFeatures.WriteProtectShmem),
            WriteProtectUnpopulated = features.HasFlag(UserfaultfdFeatures.WriteProtectUnpopulated),
            MinorShmem = features.HasFlag(UserfaultfdFeatures.MinorShmem),
            Poison = features.HasFlag(UserfaultfdFeatures.Poison),
            PagemapScan = KernelFeatureTrials.PagemapScan(),
            PidfdGetfd = KernelFeatureTrials.PidfdGetfd(),
            Ptrace = KernelFeatureTrials.Ptrace(),
            HugeTmpfs = largePages.HasHugeTmpfs,
            HugeTlb = largePages.HasPool,
            Mount = KernelFeatureTrials.Mount(),
            ProcessMadvise = KernelFeatureTrials.ProcessMadvise(),
        };
    }

    private static string? Describe(string what, params ReadOnlySpan<(bool Present, string Need)> needs)
    {
        List<string> missing = [];
        foreach ((bool present, string need) in needs)
        {
            if (!present) missing.Add(need);
        }

        return missing.Count == 0 ? null : $"{what}: this machine lacks {string.Join("; ", missing)}.";
    }
}
