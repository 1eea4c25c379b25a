using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class KernelFeaturesTests
{
    private static readonly KernelFeatures All = new()
    {
        Userfaultfd = true,
        KernelModeFaults = true,
        WriteProtectAsync = true,
        WriteProtectShmem = true,
        WriteProtectUnpopulated = true,
        MinorShmem = true,
        Poison = true,
        PagemapScan = true,
        PidfdGetfd = true,
        Ptrace = true,
        HugeTmpfs = true,
        HugeTlb = true,
        Mount = true,
        ProcessMadvise = true,
    };

    [Fact]
    public void Probe_agrees_with_the_version_of_the_kernel()
    {
        KernelFeatures features = KernelFeatures.Probe();
        Version kernel = Environment.OSVersion.Version;
        Assert.Equal(kernel >= new Version(6, 7), features.PagemapScan);
        if (!features.Userfaultfd) Assert.Skip("This kernel or a seccomp filter has no userfaultfd.");
        Assert.Equal(kernel >= new Version(6, 7), features.WriteProtectAsync);
        Assert.Equal(kernel >= new Version(5, 19), features.WriteProtectShmem);
        Assert.Equal(kernel >= new Version(6, 6), features.Poison);
    }

    [Fact]
    public void Nothing_missing_means_no_obstacle()
    {
        Assert.Null(All.WriteTraceObstacle);
        Assert.Null(All.AsyncTraceObstacle);
        Assert.Null(All.SyncTraceObstacle);
        Assert.Null(All.PopulationObstacle);
        Assert.Null(All.HugeTmpfsObstacle);
        Assert.Null(All.HugeTlbObstacle);
        Assert.Null(All.LargePopulationObstacle);
    }

    [Fact]
    public void What_large_pages_lack_is_named_for_each_kind()
    {
        Assert.Contains("large pages of shared memory", (All with { HugeTmpfs = false }).HugeTmpfsObstacle, StringComparison.Ordinal);
        Assert.Null((All with { HugeTmpfs = false }).HugeTlbObstacle);
        Assert.Contains("pool of pages", (All with { HugeTlb = false }).HugeTlbObstacle, StringComparison.Ordinal);
        Assert.Null((All with { HugeTlb = false }).HugeTmpfsObstacle);
        Assert.Contains("CAP_SYS_ADMIN", (All with { Mount = false }).HugeTmpfsObstacle, StringComparison.Ordinal);
        Assert.Contains("CAP_SYS_ADMIN", (All with { Mount = false }).HugeTlbObstacle, StringComparison.Ordinal);
        Assert.Contains("MADV_COLLAPSE", (All with { ProcessMadvise = false }).LargePopulationObstacle, StringComparison.Ordinal);
        Assert.Null((All with { ProcessMadvise = false }).PopulationObstacle);
    }

    public static TheoryData<string, KernelFeatures, bool, bool, bool> ForcedOff => new()
    {
        { "PAGEMAP_SCAN", All with { PagemapScan = false }, true, false, false },
        { "asynchronous", All with { WriteProtectAsync = false }, true, false, false },
        { "page faults of system calls", All with { KernelModeFaults = false }, false, true, false },
        { "unpopulated", All with { WriteProtectUnpopulated = false }, true, true, false },
        { "shared memory", All with { WriteProtectShmem = false }, true, true, false },
        { "UFFDIO_CONTINUE", All with { MinorShmem = false }, false, false, true },
        { "userfaultfd", All with { Userfaultfd = false }, true, true, true },
        { "pidfd_getfd", All with { PidfdGetfd = false }, true, true, true },
        { "CAP_SYS_PTRACE", All with { Ptrace = false }, true, true, true },
    };

    [Theory]
    [MemberData(nameof(ForcedOff))]
    public void Feature_forced_off_is_named_where_it_is_needed(
        string name, KernelFeatures features, bool asyncTracing, bool syncTracing, bool population)
    {
        Check(features.AsyncTraceObstacle, asyncTracing);
        Check(features.SyncTraceObstacle, syncTracing);
        Check(features.WriteTraceObstacle, asyncTracing && syncTracing);
        Check(features.PopulationObstacle, population);

        void Check(string? obstacle, bool expected)
        {
            if (expected) Assert.Contains(name, obstacle, StringComparison.Ordinal);
            else Assert.Null(obstacle);
        }
    }

    [Fact]
    public void Neither_way_to_trace_works_where_each_lacks_something_of_its_own()
    {
        KernelFeatures features = All with { PagemapScan = false, KernelModeFaults = false };
        Assert.Contains("PAGEMAP_SCAN", features.WriteTraceObstacle, StringComparison.Ordinal);
        Assert.Contains("page faults of system calls", features.WriteTraceObstacle, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_cannot_poison_a_missing_page_does_no_post_copy()
    {
        Assert.Null(All.PostcopyObstacle);
        Assert.Contains("UFFDIO_POISON", (All with { Poison = false }).PostcopyObstacle, StringComparison.Ordinal);
    }
}
