using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>Pages of a process that is not this one, in shared memory that it was made to map.</summary>
public sealed class PoisonMarkerTests : IDisposable
{
    private const int CallMmap = 9;
    private const ulong ProtectionReadWrite = 3;
    private const ulong MapSharedAnonymous = 0x21;
    private const long Pages = 64;
    private const long Page = GuestMemory.PageSizeBytes;

    private readonly ForeignProcess process = ForeignProcess.Sleeping();
    private readonly SafeFileHandle contents;
    private readonly ulong address;

    public PoisonMarkerTests()
    {
        address = (ulong)Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(
            CallMmap, 0, (ulong)(Pages * Page), ProtectionReadWrite, MapSharedAnonymous, ulong.MaxValue, 0));
        contents = OpenFile.ForReadingAndWriting($"/proc/{process.Id}/mem");
    }

    public void Dispose()
    {
        contents.Dispose();
        process.Dispose();
    }

    [Fact]
    public void A_marked_page_fails_whether_it_was_mapped_or_not_and_no_other_does()
    {
        Fill();
        Ptrace.WhileStopped(process.PidFd, stopped => stopped.Call(28, address + (20 * (ulong)Page), (ulong)Page, 4));
        new PoisonMarker(process.PidFd, address, Pages * Page, byMark: true).Mark([3, 20]);
        AssertFailing(3, 20);
        Assert.True(EntryOf(3).IsPoisonMarker);
        Assert.Equal([3, 20], Find(hasPagemapScan: true));
    }

    [Fact]
    public void Marks_are_found_without_PAGEMAP_SCAN_too()
    {
        Fill();
        new PoisonMarker(process.PidFd, address, Pages * Page, byMark: true).Mark([0, Pages - 1]);
        Assert.Equal([0, Pages - 1], Find(hasPagemapScan: false));
    }

    [Fact]
    public void Marking_a_marked_page_leaves_it_as_it_is()
    {
        Fill();
        var marker = new PoisonMarker(process.PidFd, address, Pages * Page, byMark: true);
        marker.Mark([5]);
        marker.Mark([5, 6]);
        AssertFailing(5, 6);
    }

    [Fact]
    public void Under_an_armed_write_trace_pages_are_marked_and_the_trace_goes_on_and_the_marks_outlive_it()
    {
        Fill();
        using (var trace = new AsyncWriteTrace(
            Userfaultfd.CreateInside(process.PidFd, AsyncWriteTrace.RequiredFeatures), process.PidFd, address, Pages * Page))
        {
            // Page 8 was written since it was armed, page 9 was not, and page 10 was looked at by the trace once it was marked.
            Write(8);
            new PoisonMarker(process.PidFd, address, Pages * Page, byMark: true).Mark([8, 9, 10]);
            var written = new PageSet(Pages);
            trace.CollectAndRearm(written);
            Write(30);
            written.Clear();
            trace.CollectAndRearm(written);
            Assert.True(written.Contains(30));
            Assert.False(written.Contains(31));
            Assert.Equal([8, 9, 10], Find(hasPagemapScan: true));
            AssertFailing(8, 9, 10);
        }

        AssertFailing(8, 9, 10);
        Assert.Equal([8, 9, 10], Find(hasPagemapScan: true));
    }

    [Fact]
    public void Where_access_is_taken_away_the_page_fails_and_is_found_again_and_the_mapping_still_counts_as_one()
    {
        Fill();
        string path = ProcessMaps.Read(process.Id).Single(mapping => mapping.Start == address).Path;
        new PoisonMarker(process.PidFd, address, Pages * Page, byMark: false).Mark([0, 31]);
        ProcessMapping whole = ProcessMaps.FindFile(process.Id, path)!;
        Assert.Equal((address, Pages * Page, true), (whole.Start, whole.SizeBytes, whole.IsShared));
        Assert.Equal([0, 31], Find(hasPagemapScan: true));
    }

    [Fact]
    public void A_process_that_is_gone_is_VmExited()
    {
        process.PidFd.SendSignal(PidFd.SignalKill);
        Eventually.Holds(() => process.PidFd.HasExited);
        var gone = Assert.ThrowsAny<MigrationException>(
            () => new PoisonMarker(process.PidFd, address, Pages * Page, byMark: true).Mark([1]));
        Assert.Equal(MigrationErrorReason.VmExited, gone.Reason);
    }

    private void Fill()
    {
        for (long page = 0; page < Pages; page++) Write(page);
    }

    private void Write(long page) => Assert.Equal(1, PositionalIo.Write(contents, (long)address + (page * Page), [(byte)(page + 1)]));

    private PagemapEntry EntryOf(long page)
    {
        using var pagemap = new Pagemap(process.Id);
        return pagemap.Read(address + (ulong)(page * Page));
    }

    private IEnumerable<long> Find(bool hasPagemapScan)
    {
        using var fresh = new FaultyMemory(new byte[Pages * Page]);
        new PoisonSearch(process.Id, address, fresh, hasPagemapScan).Run(PoisonSource.Kernel, DateTimeOffset.UtcNow);
        return [.. fresh.Poisoned.ToList().Select(page => page.Page)];
    }

    private void AssertFailing(params long[] expected)
    {
        byte[] first = new byte[1];
        Assert.Equal(expected, Enumerable.Range(0, (int)Pages).Select(page => (long)page).Where(
            page => PositionalIo.Read(contents, (long)address + (page * Page), first) < 1));
        Assert.All(Enumerable.Range(0, (int)Pages).Where(page => !expected.Contains(page)), page =>
        {
            PositionalIo.Read(contents, (long)address + (page * Page), first);
            Assert.Equal(page + 1, first[0]);
        });
    }
}
