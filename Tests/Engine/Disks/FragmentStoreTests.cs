using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

public sealed class FragmentStoreTests : IDisposable
{
    private readonly StoreBench bench = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => bench.Dispose();

    [Fact]
    public async Task A_failed_transfer_leaves_a_fragment_that_says_what_and_why()
    {
        DiskFragment fragment = await bench.LeaveFragmentAsync(5);
        Assert.Equal(StoreBench.Source(), fragment.Source);
        Assert.Equal(bench.File("disk.img"), fragment.DestinationPath);
        Assert.Equal(5 << 20, fragment.OffsetBytes);
        Assert.Equal(8 << 20, fragment.SizeBytes);
        Assert.Equal(MigrationErrorReason.ConnectionLost, fragment.Reason);
        Assert.Equal("The link broke.", fragment.Message);
        Assert.Equal(BlockDigests.Fold(SampleBlocks.Digests(SampleBlocks.Contents(8).AsSpan(0, 5 << 20))), fragment.Digest);
        Assert.Equal(bench.StoreDirectory, Path.GetDirectoryName(fragment.Path));
        Assert.Equal(fragment, Assert.Single(await bench.Open().ListAsync(Cancel)));
        Assert.False(File.Exists(fragment.DestinationPath));
    }

    [Fact]
    public async Task A_later_request_takes_the_fragment_back_beside_its_path()
    {
        DiskFragment fragment = await bench.LeaveFragmentAsync(5);
        IncomingDiskRequest request = StoreBench.Request();
        IncompleteDiskPlace place = await bench.Open().TakeAsync(request, Cancel);
        Assert.Equal(DiskResumptionKind.Continued, place.Resumption.Kind);
        Assert.Equal(fragment, place.Fragment);
        Assert.Equal(bench.Datastore.Directory, Path.GetDirectoryName(place.FilePath));
        Assert.True(File.Exists(place.FilePath));
        Assert.True(File.Exists(place.DigestsPath));
        Assert.False(File.Exists(fragment.Path));
    }

    [Theory]
    [InlineData("flipped digest")]
    [InlineData("record with a wrong digest")]
    [InlineData("digests cut")]
    [InlineData("digests gone")]
    [InlineData("file cut")]
    public async Task A_fragment_that_is_not_as_recorded_is_never_gone_on_from(string damage)
    {
        IncomingDiskRequest request = StoreBench.Request(source: StoreBench.Source(256 << 20));
        DiskFragment fragment = await bench.LeaveLargeFragmentAsync(request);
        TransferRecord record = bench.Records.Find(fragment.Id)!;
        switch (damage)
        {
            case "flipped digest":
                byte first = (byte)(File.ReadAllBytes(record.DigestsPath)[0] ^ 1);
                Change(record.DigestsPath, file => file.WriteByte(first));
                break;
            case "record with a wrong digest":
                bench.Records.Save(record with { Digest = new string('0', 32) });
                break;
            case "digests cut":
                Change(record.DigestsPath, file => file.SetLength(file.Length - 1));
                break;
            case "digests gone":
                File.Delete(record.DigestsPath);
                break;
            default:
                Change(record.FilePath, file => file.SetLength(160 << 20));
                break;
        }

        FragmentStore store = bench.Open();
        await store.RecoverAsync(Cancel);
        IncompleteDiskPlace again = await store.TakeAsync(request with { TransferId = Guid.NewGuid() }, Cancel);

        Assert.Equal(DiskResumptionKind.Compared, again.Resumption.Kind);
        Assert.Equal(0, again.Resumption.OffsetBytes);
        Assert.NotNull(again.Resumption.Reason);
        Assert.Equal(0, bench.Records.Find(again.TransferId)!.OffsetBytes);
    }

    [Fact]
    public async Task A_fragment_of_a_changed_source_is_recorded_with_the_new_contents()
    {
        IncomingDiskRequest request = StoreBench.Request(source: StoreBench.Source(256 << 20));
        await bench.LeaveLargeFragmentAsync(request);
        IncomingDiskRequest changed = StoreBench.Request(source: StoreBench.Source(256 << 20, changed: 2));
        IncompleteDiskPlace place = await bench.Open().TakeAsync(changed, Cancel);
        Assert.Equal(DiskResumptionKind.Compared, place.Resumption.Kind);
        TransferRecord record = bench.Records.Find(place.TransferId)!;
        Assert.Equal(changed.Source.Generation, record.Source.Generation);
        Assert.Equal(0, record.OffsetBytes);
    }

    [Fact]
    public async Task A_fragment_that_is_begun_anew_is_removed_with_its_record()
    {
        await bench.LeaveFragmentAsync(5);
        IncompleteDiskPlace place = await bench.Open().TakeAsync(StoreBench.Request(source: StoreBench.Source(changed: 2)), Cancel);
        Assert.Equal(DiskResumptionKind.Anew, place.Resumption.Kind);
        Assert.Empty(bench.IncompleteFiles());
        Assert.Equal(place.TransferId, Assert.Single(bench.Records.ReadAll()).Id);
    }

    [Theory]
    [InlineData("another host")]
    [InlineData("another path")]
    [InlineData("another format")]
    [InlineData("not wanted")]
    public async Task A_fragment_of_something_else_stays_as_it_is(string what)
    {
        DiskFragment fragment = await bench.LeaveFragmentAsync(5);
        IncomingDiskRequest request = what switch
        {
            "another host" => StoreBench.Request(source: StoreBench.Source() with { HostName = "elsewhere" }),
            "another path" => StoreBench.Request(source: StoreBench.Source() with { Path = "/images/other.img" }),
            "another format" => StoreBench.Request(options: new() { DestinationFormat = DiskFormat.Qcow2 }),
            _ => StoreBench.Request(options: new() { UseFragment = false }),
        };
        IncompleteDiskPlace place = await bench.Open().TakeAsync(request, Cancel);
        Assert.Equal(DiskResumption.Fresh, place.Resumption);
        Assert.Null(place.Fragment);
        Assert.True(File.Exists(fragment.Path));
        Assert.NotNull(bench.Records.Find(fragment.Id));
    }

    [Fact]
    public async Task What_is_not_worth_it_leaves_neither_file_nor_record()
    {
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(), Cancel);
        await File.WriteAllTextAsync(place.FilePath, "a few bytes", Cancel);
        Assert.Null(await store.KeepAsync(place.TransferId, MigrationErrorReason.Cancelled, "Stopped."));
        Assert.Empty(bench.IncompleteFiles());
        Assert.Empty(bench.Records.ReadAll());
    }

    [Fact]
    public async Task A_fragment_that_was_taken_and_not_written_is_given_back_as_it_was()
    {
        DiskFragment fragment = await bench.LeaveFragmentAsync(5);
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(), Cancel);
        Assert.Equal(fragment, await store.KeepAsync(place.TransferId, MigrationErrorReason.TimedOut, "Nobody came."));
        Assert.Equal(fragment, Assert.Single(await store.ListAsync(Cancel)));
        Assert.True(File.Exists(fragment.Path));
    }

    [Fact]
    public async Task A_fragment_that_a_transfer_goes_on_from_cannot_be_removed_and_others_can()
    {
        DiskFragment fragment = await bench.LeaveFragmentAsync(5);
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(), Cancel);
        foreach (Guid id in new[] { fragment.Id, place.TransferId })
        {
            var refusal = await Assert.ThrowsAsync<MigrationException>(() => store.RemoveAsync(id, Cancel));
            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        }

        await store.KeepAsync(place.TransferId, MigrationErrorReason.TimedOut, "Nobody came.");
        await store.RemoveAsync(fragment.Id, Cancel);
        Assert.Empty(bench.IncompleteFiles());
        var missing = await Assert.ThrowsAsync<MigrationException>(() => store.RemoveAsync(fragment.Id, Cancel));
        Assert.Equal(MigrationErrorReason.DiskFragmentNotFound, missing.Reason);
    }

    private static void Change(string path, Action<FileStream> change)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        change(file);
    }
}
