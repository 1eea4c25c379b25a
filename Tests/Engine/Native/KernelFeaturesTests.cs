using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class KernelFeaturesTests
{
    private static readonly KernelFeatures All = new()
    {
        Userfaultfd = true,
        WriteProtectAsync = true,
        WriteProtectShmem = true,
        WriteProtectUnpopulated = true,
        MinorShmem = true,
        Poison = true,
        PagemapScan = true,
        PidfdGetfd = true,
        Ptrace = true,
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
        Assert.Null(All.PopulationObstacle);
    }

    public static TheoryData<string, KernelFeatures, bool, bool> ForcedOff => new()
    {
        { "PAGEMAP_SCAN", All with { PagemapScan = false }, true, false },
        { "asynchronous", All with { WriteProtectAsync = false }, true, false },
        { "unpopulated", All with { WriteProtectUnpopulated = false }, true, false },
        { "shared memory", All with { WriteProtectShmem = false }, true, false },
        { "UFFDIO_CONTINUE", All with { MinorShmem = false }, false, true },
        { "userfaultfd", All with { Userfaultfd = false }, true, true },
        { "pidfd_getfd", All with { PidfdGetfd = false }, true, true },
        { "CAP_SYS_PTRACE", All with { Ptrace = false }, true, true },
    };

    [Theory]
    [MemberData(nameof(ForcedOff))]
    public void Feature_forced_off_is_named_where_it_is_needed(string name, KernelFeatures features, bool tracing, bool population)
    {
        Check(features.WriteTraceObstacle, tracing);
        Check(features.PopulationObstacle, population);

        void Check(string? obstacle, bool expected)
        {
            if (expected) Assert.Contains(name, obstacle, StringComparison.Ordinal);
            else Assert.Null(obstacle);
        }
    }
}
