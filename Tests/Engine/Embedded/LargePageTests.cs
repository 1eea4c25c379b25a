using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class LargePageTests
{
    [Fact]
    public async Task Memory_is_on_the_pages_the_specification_names_and_its_coverage_says_so()
    {
        (MemoryBacking, long)[] expected = [(MemoryBacking.TransparentHugePages, 16 * MiB), (MemoryBacking.BasePages, 0)];
        foreach ((MemoryBacking backing, long large) in expected)
        {
            await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(
                Specification(GuestProgramKind.Idle, 32 * MiB) with { Backing = backing });
            Assert.Equal(new LargePageCoverage(0, 0), vm.ReadLargePageCoverage());
            for (long offset = 0; offset < 16 * MiB; offset += GuestMemory.PageSizeBytes) vm.Memory.Write(offset, [1]);
            Assert.Equal(new LargePageCoverage(16 * MiB, large), vm.ReadLargePageCoverage());
            Assert.Null(vm.Capabilities.LargePagesRefused);
        }
    }

    [Fact]
    public async Task Zeros_stored_inside_a_large_page_leave_it_whole()
    {
        await using EmbeddedVirtualMachine vm = await PrepareIncomingAsync(
            Specification(GuestProgramKind.Idle, 8 * MiB) with { Backing = MemoryBacking.TransparentHugePages });
        vm.Memory.Write(0, [1]);
        for (long page = 1; page < 512; page++) vm.Memory.Write(page << GuestMemory.PageShift, new byte[GuestMemory.PageSizeBytes]);
        Assert.Equal(new LargePageCoverage(2 * MiB, 2 * MiB), vm.ReadLargePageCoverage());
        Assert.Equal(1, vm.ReadLargePageCoverage()!.Share);
    }

    [Fact]
    public async Task Coverage_of_an_ended_vm_says_that_it_ended()
    {
        EmbeddedVirtualMachine vm = await StartAsync(Specification(GuestProgramKind.Idle));
        await vm.DestroyAsync();
        Assert.Equal(MigrationErrorReason.VmExited, Assert.Throws<MigrationException>(() => vm.ReadLargePageCoverage()).Reason);
    }

    [Theory]
    [InlineData("always [madvise] never", MemoryBacking.TransparentHugePages, null)]
    [InlineData("[always] madvise never", MemoryBacking.TransparentHugePages, null)]
    [InlineData("always madvise [never]", MemoryBacking.TransparentHugePages, "enabled")]
    [InlineData(null, MemoryBacking.TransparentHugePages, "enabled")]
    [InlineData("[always] madvise never", MemoryBacking.BasePages, null)]
    [InlineData("[always] madvise never", MemoryBacking.HugeTlb, "hugetlbfs")]
    public void Where_large_pages_are_not_to_be_had_a_sentence_says_why(string? setting, MemoryBacking backing, string? names)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-thp-");
        try
        {
            if (setting is not null)
            {
                root.CreateSubdirectory("transparent_hugepage");
                File.WriteAllText(Path.Join(root.FullName, "transparent_hugepage/enabled"), setting + "\n");
            }

            string? obstacle = EmbeddedLargePages.FindObstacle(backing, new LargePageSettings(root.FullName));
            if (names is null) Assert.Null(obstacle);
            else Assert.Contains(names, obstacle, StringComparison.Ordinal);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }
}
