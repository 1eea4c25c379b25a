using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Memory;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

public class QemuTraceChoiceTests
{
    private const int Page = 4096;
    private const int Large = 2 << 20;
    private const string NoAsync = "no PAGEMAP_SCAN.";
    private const string NoSync = "no root.";

    [Theory]
    [InlineData(0, Page, null, null, WriteTraceMechanism.AdaptiveWriteProtect, Page, null)]
    [InlineData(Page, Page, null, null, WriteTraceMechanism.AsyncWriteProtect, Page, null)]
    [InlineData(65536, Page, null, null, WriteTraceMechanism.SyncWriteProtect, 65536, null)]
    [InlineData(0, Page, null, NoSync, WriteTraceMechanism.AsyncWriteProtect, Page, NoSync)]
    [InlineData(Large, Page, null, NoSync, WriteTraceMechanism.AsyncWriteProtect, Page, NoSync)]
    [InlineData(0, Page, NoAsync, null, WriteTraceMechanism.SyncWriteProtect, Large, NoAsync)]
    [InlineData(Page, Page, NoAsync, null, WriteTraceMechanism.SyncWriteProtect, Page, NoAsync)]
    [InlineData(65536, Page, NoAsync, null, WriteTraceMechanism.SyncWriteProtect, 65536, null)]
    [InlineData(0, Large, null, null, WriteTraceMechanism.AsyncWriteProtect, Large, null)]
    [InlineData(Large, Large, null, NoSync, WriteTraceMechanism.AsyncWriteProtect, Large, null)]
    [InlineData(Page, Large, null, null, WriteTraceMechanism.AsyncWriteProtect, Large, "pages of that size")]
    [InlineData(1 << 30, Large, null, null, WriteTraceMechanism.SyncWriteProtect, 1 << 30, null)]
    [InlineData(Page, Large, NoAsync, null, WriteTraceMechanism.SyncWriteProtect, Large, NoAsync)]
    public void Nearest_way_that_works_is_taken_and_named(
        int wanted, int pageSizeBytes, string? asyncObstacle, string? syncObstacle, WriteTraceMechanism mechanism, int granularityBytes,
        string? fallback)
    {
        QemuTraceChoice choice = QemuTraceChoice.Make(wanted, pageSizeBytes, asyncObstacle, syncObstacle);
        Assert.Equal(mechanism, choice.Mechanism);
        Assert.Equal(granularityBytes, choice.GranularityBytes);
        if (fallback is null) Assert.Null(choice.Fallback);
        else Assert.Contains(fallback, choice.Fallback, StringComparison.Ordinal);
    }
}
