using Serilog.Core;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Tests.Hosts;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>A fragment store on a directory of its own, with records in memory that outlive it as a journal would.</summary>
internal sealed class StoreBench : IDisposable
{
    private readonly ScratchDirectory scratch = new();

    public StoreBench()
    {
        Datastore = new(scratch.File("disks"));
        Datastore.Open();
    }

    public DiskDatastore Datastore { get; }

    public MemoryRecords Records { get; } = new();

    public SettableClock Clock { get; } = new();

    public FragmentRetention Retention { get; set; } = new(TimeSpan.FromDays(7), 0);

    public string Outside => scratch.Path;

    public string StoreDirectory => Path.Combine(Datastore.Directory, ".fragments", "here");

    public static DiskGeneration Generation(long size = 8 << 20, long changed = 1) => new(size, 1, 2, changed, changed);

    public static DiskDescription Source(long size = 8 << 20, long changed = 1) => new()
    {
        HostName = "there",
        Path = "/images/disk.img",
        Format = DiskFormat.Raw,
        VirtualSizeBytes = size,
        AllocatedBytes = size,
        Generation = Generation(size, changed),
    };

    public static IncomingDiskRequest Request(
        string? path = "disk.img", DiskDescription? source = null, DiskTransferOptions? options = null) =>
        new(Guid.NewGuid(), source ?? Source(), path, options ?? new());

    public string File(string name) => Path.Combine(Datastore.Directory, name);

    /// <summary>A store as a host that is opened has it.</summary>
    public FragmentStore Open(IFragmentFiles? files = null, ITransferRecords? records = null) =>
        new("here", Datastore, records ?? Records, files ?? new FragmentFiles(), Retention, Clock, Logger.None);

    /// <summary>Writes as a receiver does: whole blocks and their digests, and then says so.</summary>
    public static void Write(IIncompleteDisks store, IncompleteDiskPlace place, byte[] contents, int blocks, int sizeBlocks = 8)
    {
        SampleBlocks.Write(place.FilePath, place.DigestsPath, contents, blocks, sizeBlocks);
        int bytes = blocks * BlockDigests.BlockBytes;
        store.SaveProgress(place.TransferId, bytes, BlockDigests.Fold(SampleBlocks.Digests(contents.AsSpan(0, bytes))));
    }

    /// <summary>Leaves a fragment of <see cref="Source"/>.</summary>
    public async Task<DiskFragment> LeaveFragmentAsync(int blocks, IncomingDiskRequest? request = null, byte[]? contents = null)
    {
        FragmentStore store = Open();
        IncompleteDiskPlace place = await store.TakeAsync(request ?? Request(), CancellationToken.None);
        Write(store, place, contents ?? SampleBlocks.Contents(8), blocks);
        return (await store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "The link broke."))!;
    }

    /// <summary>Leaves a fragment of 192 MiB of 256 MiB: large enough that comparing it pays.</summary>
    public async Task<DiskFragment> LeaveLargeFragmentAsync(IncomingDiskRequest request)
    {
        FragmentStore store = Open();
        IncompleteDiskPlace place = await store.TakeAsync(request with { TransferId = Guid.NewGuid() }, CancellationToken.None);
        Write(store, place, SampleBlocks.Contents(192), 192, 256);
        return (await store.KeepAsync(place.TransferId, MigrationErrorReason.ConnectionLost, "Broken."))!;
    }

    /// <summary>All files of incomplete disks, wherever they lie in the datastore.</summary>
    public IReadOnlyList<string> IncompleteFiles() =>
    [
        .. Directory.EnumerateFiles(Datastore.Directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Where(path => Path.GetExtension(path) is ".disk" or ".digests").Order(),
    ];

    public void Dispose() => scratch.Dispose();
}
