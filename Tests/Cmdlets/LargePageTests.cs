using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class LargePageTests
{
    private const string OnLargePages =
        "-MemoryBytes 64MB -MemoryBacking TransparentHugePages -Program SequentialWriter -StepsPerSecond 20000";

    [Fact]
    public void A_running_VM_tells_its_backing_and_what_of_it_is_on_large_pages()
    {
        using ModuleSession session = ModuleSession.WithRunningVm(OnLargePages);
        VmLargePages pages = session.RunClean("Get-LargePage $vm").Single<VmLargePages>();
        Assert.Equal((session.VmName, session.HostA, MemoryBacking.TransparentHugePages), (pages.VmName, pages.HostName, pages.Backing));
        Assert.Equal(64L << 20, pages.MemoryBytes);
        AssertConsistent(pages);
    }

    [Fact]
    public void VMs_are_chosen_by_host_by_id_by_object_and_all_of_them_without_a_word()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        string[] ways = ["Get-LargePage", "Get-MigrationHost $a | Get-LargePage", "Get-MigrationVm $vm | Get-LargePage",
            "Get-LargePage -Id (Get-MigrationVm $vm).Id", "Get-LargePage vm-* -HostName $a", "$vm | Get-LargePage"];
        Assert.All(ways, way => Assert.Single(session.RunClean(way).All<VmLargePages>(), pages => pages.VmName == session.VmName));
        Assert.StartsWith("VmNotFound", session.RunFailing("Get-LargePage nosuch-$s").FullyQualifiedErrorId);
    }

    [Fact]
    public void A_stopped_VM_has_no_numbers_and_says_why()
    {
        using ModuleSession session = ModuleSession.WithHosts();
        VmLargePages pages = session.RunClean("New-MigrationVm $vm $a 16MB | Get-LargePage").Single<VmLargePages>();
        Assert.Equal((null, null, null), (pages.MappedBytes, pages.LargeBytes, pages.Share));
        Assert.Contains("stopped", pages.Remark);
    }

    [Fact]
    public void The_backing_travels_with_the_VM_and_the_result_tells_the_coverage()
    {
        using ModuleSession session = ModuleSession.WithRunningVm(OnLargePages);
        ScriptOutcome outcome = session.RunClean(
            "(Start-VmMigration $vm $b -VerifyMemory -Wait).Result; Get-MigrationVm $vm; Get-LargePage $vm");
        Assert.Equal(MemoryBacking.TransparentHugePages, ((MigrationVm)outcome.Output[1]).MemoryBacking);
        var pages = (VmLargePages)outcome.Output[2];
        Assert.Equal((session.HostB, MemoryBacking.TransparentHugePages), (pages.HostName, pages.Backing));
        AssertConsistent(pages);
        var result = (VmMigrationResult)outcome.Output[0];
        Assert.True(result.MemoryVerified);
        // Where the kernel gave large pages, the result tells how many were kept.
        Assert.Equal(pages.Share is null, result.LargePagesAtDestination is null);
    }

    private static void AssertConsistent(VmLargePages pages)
    {
        if (pages.Share is not { } share)
        {
            Assert.NotNull(pages.Remark);
            return;
        }

        Assert.InRange(share, 0, 1);
        Assert.InRange(pages.MappedBytes!.Value, 0, pages.MemoryBytes);
        Assert.InRange(pages.LargeBytes!.Value, 0, pages.MappedBytes.Value);
    }
}
