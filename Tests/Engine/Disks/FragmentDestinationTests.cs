using System.Runtime.Versioning;
using VmMigration.Engine.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

[SupportedOSPlatform("linux")]
public sealed class FragmentDestinationTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly StoreBench bench = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => bench.Dispose();

    [Fact]
    public async Task A_second_request_for_a_path_is_refused_and_costs_the_first_nothing()
    {
        await bench.LeaveFragmentAsync(5);
        FragmentStore store = bench.Open();
        IncompleteDiskPlace first = await store.TakeAsync(StoreBench.Request(), Cancel);
        Directory.CreateSymbolicLink(Path.Combine(bench.Outside, "alias"), bench.Datastore.Directory);

        foreach (string path in new[] { "disk.img", "./sub/../disk.img", Path.Combine(bench.Outside, "alias", "disk.img") })
        {
            var refusal = await Assert.ThrowsAsync<MigrationException>(() => store.TakeAsync(StoreBench.Request(path), Cancel));
            Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
            Assert.Contains(first.TransferId.ToString(), refusal.Message, StringComparison.Ordinal);
        }

        StoreBench.Write(store, first, SampleBlocks.Contents(8), 8);
        await store.CompleteAsync(first.TransferId);
        Assert.Equal(SampleBlocks.Contents(8), await File.ReadAllBytesAsync(bench.File("disk.img"), Cancel));
    }

    [Fact]
    public async Task Of_many_requests_for_a_path_at_once_one_is_let_in()
    {
        await bench.LeaveFragmentAsync(5);
        FragmentStore store = bench.Open();
        Task<IncompleteDiskPlace>[] takes = [.. Enumerable.Range(0, 8).Select(_ => store.TakeAsync(StoreBench.Request(), Cancel))];
        await Task.WhenAll(takes).ContinueWith(_ => { }, Cancel, TaskContinuationOptions.None, TaskScheduler.Default);
        Task<IncompleteDiskPlace> one = Assert.Single(takes, take => take.IsCompletedSuccessfully);
        Assert.Equal(DiskResumptionKind.Continued, (await one).Resumption.Kind);
        Assert.All(takes.Where(take => take != one), take => Assert.Equal(
            MigrationErrorReason.InvalidState, Assert.IsType<MigrationException>(take.Exception!.InnerException).Reason));
        Assert.Single(bench.Records.ReadAll());
    }

    [Fact]
    public async Task A_file_that_has_the_path_is_not_touched_unless_it_may_be_replaced()
    {
        await File.WriteAllTextAsync(bench.File("disk.img"), "before", Cancel);
        FragmentStore store = bench.Open();
        var refusal = await Assert.ThrowsAsync<MigrationException>(() => store.TakeAsync(StoreBench.Request(), Cancel));
        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Contains("Overwrite", refusal.RecommendedAction, StringComparison.Ordinal);

        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(options: new() { Overwrite = true }), Cancel);
        StoreBench.Write(store, place, SampleBlocks.Contents(8), 8);
        Assert.Equal("before", await File.ReadAllTextAsync(bench.File("disk.img"), Cancel));
        await store.CompleteAsync(place.TransferId);
        Assert.Equal(SampleBlocks.Contents(8), await File.ReadAllBytesAsync(bench.File("disk.img"), Cancel));
        Assert.Empty(bench.IncompleteFiles());
        Assert.Empty(bench.Records.ReadAll());
    }

    [Fact]
    public async Task A_file_that_took_the_path_meanwhile_stays_and_so_does_what_arrived()
    {
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(), Cancel);
        StoreBench.Write(store, place, SampleBlocks.Contents(8), 8);
        await File.WriteAllTextAsync(bench.File("disk.img"), "meanwhile", Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => store.CompleteAsync(place.TransferId));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Equal("meanwhile", await File.ReadAllTextAsync(bench.File("disk.img"), Cancel));
        DiskFragment fragment = (await store.KeepAsync(place.TransferId, refusal.Reason, refusal.Message))!;
        Assert.Equal(8 << 20, fragment.OffsetBytes);
    }

    [Theory]
    [InlineData("directory")]
    [InlineData("link")]
    [InlineData("leaves the datastore")]
    [InlineData("missing directory")]
    [InlineData("no name")]
    public async Task A_path_that_cannot_hold_a_disk_is_refused_at_once(string what)
    {
        string path = "disk.img";
        switch (what)
        {
            case "directory":
                Directory.CreateDirectory(bench.File(path));
                break;
            case "link":
                File.CreateSymbolicLink(bench.File(path), "/nowhere/at/all");
                break;
            case "leaves the datastore":
                path = "../disk.img";
                break;
            case "missing directory":
                path = Path.Combine(bench.Outside, "absent", "disk.img");
                break;
            default:
                path = "sub/";
                break;
        }

        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => bench.Open().TakeAsync(StoreBench.Request(path, options: new() { Overwrite = true }), Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refusal.Reason);
        Assert.Empty(bench.Records.ReadAll());
    }

    [Fact]
    public async Task A_disk_cannot_be_copied_onto_itself()
    {
        await File.WriteAllTextAsync(bench.File("disk.img"), "before", Cancel);
        DiskDescription source = StoreBench.Source() with { HostName = "here", Path = bench.File("disk.img") };
        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => bench.Open().TakeAsync(StoreBench.Request(null, source, new() { Overwrite = true }), Cancel));
        Assert.Equal(MigrationErrorReason.InvalidArgument, refusal.Reason);
    }

    [Fact]
    public async Task A_final_file_is_its_owners_alone_or_as_the_one_it_replaces()
    {
        await CompleteAsync("fresh.img", new());
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(bench.File("fresh.img")));

        const UnixFileMode Shared = OwnerOnly | UnixFileMode.GroupRead;
        await File.WriteAllTextAsync(bench.File("old.img"), "before", Cancel);
        File.SetUnixFileMode(bench.File("old.img"), Shared);
        await CompleteAsync("old.img", new() { Overwrite = true });
        Assert.Equal(Shared, File.GetUnixFileMode(bench.File("old.img")));

        Directory.CreateDirectory(bench.File("group"));
        File.SetUnixFileMode(bench.File("group"), File.GetUnixFileMode(bench.File("group")) | UnixFileMode.SetGroup);
        await CompleteAsync("group/disk.img", new());
        Assert.Equal(OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(bench.File("group/disk.img")));
    }

    [Fact]
    public async Task A_request_that_the_file_system_has_no_room_for_is_refused_at_once_unless_a_fragment_has_the_room()
    {
        IncomingDiskRequest request = StoreBench.Request(source: StoreBench.Source(256 << 20));
        var full = new ScriptedSpace(availableBytes: 100 << 20);
        var refusal = await Assert.ThrowsAsync<MigrationException>(() => bench.Open(full).TakeAsync(request, Cancel));
        Assert.Equal(MigrationErrorReason.OutOfSpace, refusal.Reason);
        Assert.Contains($"{256 << 20}", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(bench.Records.ReadAll());

        // A sparse disk takes only what it has allocated.
        IncomingDiskRequest sparse = request with { Source = request.Source with { AllocatedBytes = 50 << 20 }, DestinationPath = "sparse.img" };
        Assert.Equal(DiskResumption.Fresh, (await bench.Open(full).TakeAsync(sparse, Cancel)).Resumption);

        DiskFragment fragment = await bench.LeaveLargeFragmentAsync(request);
        Assert.True(fragment.AllocatedBytes >= 192 << 20);
        IncompleteDiskPlace place = await bench.Open(full).TakeAsync(request with { TransferId = Guid.NewGuid() }, Cancel);
        Assert.Equal(DiskResumptionKind.Continued, place.Resumption.Kind);
    }

    [Fact]
    public async Task A_fragment_stays_on_the_file_system_its_disk_goes_to_and_leaves_no_directory_behind()
    {
        string elsewhere = Path.Combine("/dev/shm", $"vmmigration-test-{Guid.NewGuid():N}");
        Assert.SkipWhen(new FragmentFiles().SharesMount("/dev/shm", bench.Datastore.Directory), "/dev/shm is no file system of its own here.");
        Directory.CreateDirectory(elsewhere);
        try
        {
            string path = Path.Combine(elsewhere, "disk.img");
            DiskFragment fragment = await bench.LeaveFragmentAsync(5, StoreBench.Request(path));
            Assert.Equal(Path.Combine(elsewhere, ".fragments", "here"), Path.GetDirectoryName(fragment.Path));

            // One in the datastore cannot be moved there: it is left alone.
            IncompleteDiskPlace other = await bench.Open().TakeAsync(StoreBench.Request(), Cancel);
            Assert.Equal(DiskResumption.Fresh, other.Resumption);

            FragmentStore store = bench.Open();
            IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(path), Cancel);
            Assert.Equal(DiskResumptionKind.Continued, place.Resumption.Kind);
            StoreBench.Write(store, place, SampleBlocks.Contents(8), 8);
            await store.CompleteAsync(place.TransferId);
            Assert.Equal([path], Directory.GetFileSystemEntries(elsewhere));
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
    }

    private async Task CompleteAsync(string path, DiskTransferOptions options)
    {
        FragmentStore store = bench.Open();
        IncompleteDiskPlace place = await store.TakeAsync(StoreBench.Request(path, options: options), Cancel);
        StoreBench.Write(store, place, SampleBlocks.Contents(8), 8);
        File.SetUnixFileMode(place.FilePath, OwnerOnly);
        await store.CompleteAsync(place.TransferId);
    }

    /// <summary>This machine's files on a file system that has so much room.</summary>
    private sealed class ScriptedSpace(long availableBytes) : IFragmentFiles
    {
        private readonly FragmentFiles files = new();

        public long CountAvailableBytes(string directory) => availableBytes;

        public FragmentFileStatus? Find(string path) => files.Find(path);

        public bool IsSameDirectory(string directory, string other) => files.IsSameDirectory(directory, other);

        public bool SharesMount(string directory, string other) => files.SharesMount(directory, other);

        public Stream OpenRead(string path) => files.OpenRead(path);

        public IReadOnlyList<string> List(string directory) => files.List(directory);

        public void MakeDirectory(string path) => files.MakeDirectory(path);

        public void RemoveDirectoryIfEmpty(string path) => files.RemoveDirectoryIfEmpty(path);

        public bool TryMove(string from, string to, bool replace) => files.TryMove(from, to, replace);

        public void GrantAccess(string path, string destinationPath, bool replaces) => files.GrantAccess(path, destinationPath, replaces);

        public void Delete(string path) => files.Delete(path);

        public void SyncDirectory(string path) => files.SyncDirectory(path);
    }
}
