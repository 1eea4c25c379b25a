namespace VmMigration.Engine.Native;

/// <summary>
/// What this kernel, and the rights of this account, give the engine. Probed once and passed to whoever depends on it; a fallback is
/// forced by <c>features with { PagemapScan = false }</c>.
/// </summary>
public sealed record KernelFeatures
{
    /// <summary>userfaultfd(2) can be called.</summary>
    public bool Userfaultfd { get; init; }

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

    /// <summary>System calls can be injected: x86-64, and the right to trace processes of other parents.</summary>
    public bool Ptrace { get; init; }

    /// <summary>What is missing for tracing writes of a VM, in a sentence; null where nothing is.</summary>
    public string? WriteTraceObstacle => Describe(
        "Writes cannot be traced from outside the VM",
        (Userfaultfd, "userfaultfd (a kernel with it, and no seccomp filter against it)"),
        (WriteProtectShmem, "userfaultfd write protection of shared memory (Linux 5.19)"),
        (WriteProtectUnpopulated, "userfaultfd write protection of unpopulated pages (Linux 6.4)"),
        (WriteProtectAsync, "userfaultfd asynchronous write protection (Linux 6.7)"),
        (PagemapScan, "PAGEMAP_SCAN (Linux 6.7)"),
        (PidfdGetfd, "pidfd_getfd (Linux 5.6)"),
        (Ptrace, PtraceNeed));

    /// <summary>What is missing for filling a VM's page tables, in a sentence; null where nothing is.</summary>
    public string? PopulationObstacle => Describe(
        "Page tables cannot be filled from outside the VM",
        (Userfaultfd, "userfaultfd (a kernel with it, and no seccomp filter against it)"),
        (MinorShmem, "UFFDIO_CONTINUE on shared memory (Linux 5.14)"),
        (PidfdGetfd, "pidfd_getfd (Linux 5.6)"),
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
        return new()
        {
            Userfaultfd = available is not null,
            WriteProtectAsync = features.HasFlag(UserfaultfdFeatures.WriteProtectAsync),
            WriteProtectShmem = features.HasFlag(UserfaultfdFeatures.WriteProtectShmem),
            WriteProtectUnpopulated = features.HasFlag(UserfaultfdFeatures.WriteProtectUnpopulated),
            MinorShmem = features.HasFlag(UserfaultfdFeatures.MinorShmem),
            Poison = features.HasFlag(UserfaultfdFeatures.Poison),
            PagemapScan = KernelFeatureTrials.PagemapScan(),
            PidfdGetfd = KernelFeatureTrials.PidfdGetfd(),
            Ptrace = KernelFeatureTrials.Ptrace(),
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
