using VmMigration.Engine;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>A destination whose room, path or fragment somebody else takes.</summary>
public sealed class ContestedDestinationTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int DiskMiB = 48;
    private const int RoomMiB = 64;

    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("vmm-contested-");
    private readonly string mount;

    public ContestedDestinationTests()
    {
        mount = root.CreateSubdirectory("mount").FullName;
        FileSystemMount.Mount("tmpfs", "vmm-contested", mount, $"size={RoomMiB}m,mode=0700");
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Assert.True(FileSystemMount.TryUnmount(mount), $"Something holds '{mount}'.");
        root.Delete(recursive: true);
    }

    [Fact]
    public async Task A_disk_for_which_there_is_no_room_is_refused_before_anything_is_written()
    {
        await using LocalHost source = await OpenAsync("a", null);
        await using LocalHost destination = await OpenAsync("b", mount);
        string disk = MakeDisk();
        Fill(DiskMiB);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => StartAsync(source, disk, destination));

        Assert.Equal(MigrationErrorReason.OutOfSpace, refusal.Reason);
        Assert.Equal(["filler"], Directory.EnumerateFileSystemEntries(mount).Select(Path.GetFileName));
        Assert.Empty(await destination.Disks.ListDiskFragmentsAsync(Cancel));
    }

    [Fact]
    public async Task A_file_system_that_fills_meanwhile_ends_the_transfer_with_a_fragment_that_goes_on_once_there_is_room()
    {
        await using LocalHost source = await OpenAsync("a", null);
        await using LocalHost destination = await OpenAsync("b", mount);
        string disk = MakeDisk();
        DiskTransferStatus started = await StartAsync(source, disk, destination, 24 * MiB);
        await foreach (DiskTransferStatus status in source.Disks.WatchDiskTransferAsync(started.Id, Cancel))
        {
            // Some of it is there for good before somebody else takes the room.
            if (status.DurableOffsetBytes > 0) break;
        }

        Fill(RoomMiB);
        DiskTransferStatus ended = await WaitAsync(source, started.Id);

        Assert.Equal((DiskTransferState.Failed, MigrationErrorReason.OutOfSpace), (ended.State, ended.ErrorReason));
        Assert.NotNull(ended.RecommendedAction);
        DiskFragment fragment = Assert.Single(await destination.Disks.ListDiskFragmentsAsync(Cancel));
        Assert.Equal(ended.FragmentId, fragment.Id);
        Assert.False(File.Exists(Path.Combine(mount, "disk.raw")));

        File.Delete(Path.Combine(mount, "filler"));
        DiskTransferStatus again = await WaitAsync(source, (await StartAsync(source, disk, destination)).Id);

        Assert.True(again.State == DiskTransferState.Completed, $"{again.ErrorReason}: {again.ErrorMessage}");
        Assert.Equal((DiskResumptionKind.Continued, fragment.Id), (again.Resumption.Kind, again.Resumption.FragmentId!.Value));
        Assert.True(again.DataBytes + again.RepairedBytes <= DiskMiB * (long)MiB - fragment.OffsetBytes);
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(Path.Combine(mount, "disk.raw"), Cancel));
        Assert.Empty(await destination.Disks.ListDiskFragmentsAsync(Cancel));
    }

    [Fact]
    public async Task Two_requests_for_one_disk_at_once_bring_it_once_and_the_other_is_told_why_not()
    {
        await using LocalHost source = await OpenAsync("a", null);
        await using LocalHost destination = await OpenAsync("b", mount);
        string disk = MakeDisk();
        Task<DiskTransferStatus>[] requests =
            [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => StartAsync(source, disk, destination, 24 * MiB), Cancel))];

        Exception?[] refusals = [.. await Task.WhenAll(requests.Select(async request => await Record.ExceptionAsync(() => request)))];

        var refusal = Assert.IsType<MigrationException>(Assert.Single(refusals.OfType<Exception>()));
        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        DiskTransferStatus started = await requests.Single(request => request.IsCompletedSuccessfully);
        DiskTransferStatus ended = await WaitAsync(source, started.Id);
        Assert.Equal(DiskTransferState.Completed, ended.State);
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(Path.Combine(mount, "disk.raw"), Cancel));
        Assert.Equal(["disk.raw"], Directory.EnumerateFiles(mount, "*", SearchOption.AllDirectories).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_fragment_that_a_transfer_goes_on_from_is_not_removed_under_it()
    {
        await using LocalHost source = await OpenAsync("a", null);
        await using LocalHost destination = await OpenAsync("b", mount);
        string disk = MakeDisk();
        DiskTransferStatus first = await StartAsync(source, disk, destination, 24 * MiB);
        await foreach (DiskTransferStatus status in source.Disks.WatchDiskTransferAsync(first.Id, Cancel))
        {
            if (status.DurableOffsetBytes > 0) break;
        }

        Guid fragment = (await source.Disks.CancelDiskTransferAsync(first.Id, Cancel)).FragmentId!.Value;
        DiskTransferStatus second = await StartAsync(source, disk, destination, 24 * MiB);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => destination.Disks.RemoveDiskFragmentAsync(fragment, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        DiskTransferStatus ended = await WaitAsync(source, second.Id);
        Assert.True(ended.State == DiskTransferState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Equal(await File.ReadAllBytesAsync(disk, Cancel), await File.ReadAllBytesAsync(Path.Combine(mount, "disk.raw"), Cancel));
    }

    private static Task<DiskTransferStatus> StartAsync(LocalHost source, string disk, LocalHost destination, long bytesPerSecond = 0) =>
        DiskTransferBroker.StartAsync(
            source, disk, destination, null, new() { MaxBytesPerSecond = bytesPerSecond }, MobilityPathChoice.Direct, Cancel);

    private static async Task<DiskTransferStatus> WaitAsync(LocalHost source, Guid transferId)
    {
        DiskTransferStatus? last = null;
        await foreach (DiskTransferStatus status in source.Disks.WatchDiskTransferAsync(transferId, Cancel)) last = status;
        return last!;
    }

    private Task<LocalHost> OpenAsync(string name, string? datastore) => LocalHost.OpenAsync(
        new() { Name = name, StateDirectory = Path.Combine(root.FullName, name), DatastoreDirectory = datastore }, Cancel);

    private string MakeDisk()
    {
        byte[] contents = new byte[DiskMiB * MiB];
        new Random(1).NextBytes(contents);
        string path = Path.Combine(root.FullName, "disk.raw");
        File.WriteAllBytes(path, contents);
        return path;
    }

    /// <summary>Takes room away, as much as there is up to so many MiB.</summary>
    private void Fill(int mostMiB)
    {
        using var filler = new FileStream(Path.Combine(mount, "filler"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] block = new byte[4096];
        try
        {
            for (long left = (long)mostMiB * MiB; left > 0; left -= block.Length) filler.Write(block);
        }
        catch (IOException)
        {
            // Full: what it is for.
        }
    }
}
