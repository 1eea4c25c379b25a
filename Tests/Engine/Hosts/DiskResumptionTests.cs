using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Tests.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>Whatever happens to a fragment or to its source between two transfers, the disk that arrives is the source's.</summary>
public sealed class DiskResumptionTests : IDisposable
{
    private const int Blocks = 48;
    private const int MaxTries = 5;

    // So slow that comparing pays even for a fragment of a few blocks.
    private static readonly DiskTransferOptions slow = new() { MaxBytesPerSecond = 12 << 20 };

    private readonly ScratchDirectory scratch = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_flipped_bit_in_a_fragment_is_found_and_sent_again()
    {
        DiskTransferStatus ended = await ResumeAfterAsync((fragment, _, _) => FlipAsync(fragment.Path, 12345));
        Assert.Equal(DiskResumptionKind.Continued, ended.Resumption.Kind);
        Assert.InRange(ended.RepairedBytes, 1 << 20, Blocks << 20);
    }

    [Fact]
    public async Task A_truncated_fragment_is_compared_and_said_to_be_shorter()
    {
        DiskTransferStatus ended = await ResumeAfterAsync((fragment, _, _) =>
        {
            using var file = new FileStream(fragment.Path, FileMode.Open, FileAccess.Write);
            file.SetLength(fragment.OffsetBytes - 1);
            return Task.CompletedTask;
        });
        Assert.Equal(DiskResumptionKind.Compared, ended.Resumption.Kind);
        Assert.Contains("shorter than its record says", ended.Resumption.Reason, StringComparison.Ordinal);
        Assert.InRange(ended.UnchangedBytes, 1, Blocks << 20);
    }

    [Fact]
    public async Task A_record_with_a_wrong_digest_is_not_believed()
    {
        DiskTransferStatus ended = await ResumeAfterAsync((fragment, destination, _) =>
        {
            destination.Journal.Disks.Save(destination.Journal.Disks.Find(fragment.Id)! with { Digest = new string('f', 32) });
            return Task.CompletedTask;
        });
        Assert.Equal(DiskResumptionKind.Compared, ended.Resumption.Kind);
        Assert.Contains("not those of its record", ended.Resumption.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_source_that_changed_is_compared_and_what_arrives_is_what_it_is_now()
    {
        DiskTransferStatus ended = await ResumeAfterAsync((_, _, source) => FlipAsync(source, 54321));
        Assert.Equal(DiskResumptionKind.Compared, ended.Resumption.Kind);
        Assert.Contains("was written since", ended.Resumption.Reason, StringComparison.Ordinal);
        Assert.InRange(ended.UnchangedBytes, 1, Blocks << 20);
    }

    [Fact]
    public async Task A_source_written_after_the_destination_matched_its_fragment_is_refused_and_the_fragment_stays()
    {
        await using LocalHostParts parts = await OpenPartsAsync("b");
        await using var destination = new LocalHost(parts);
        await using LocalHost source = new(await OpenPartsAsync("a"));
        DiskFragment fragment = await LeaveFragmentAsync(source, destination);
        DiskDescription described = await source.Disks.DescribeDiskAsync("disk.img", Cancel);
        IncomingDiskOffer offer = await destination.Disks.PrepareIncomingDiskAsync(new(Guid.NewGuid(), described, null, slow), Cancel);
        Assert.Equal(DiskResumptionKind.Continued, offer.Resumption.Kind);
        await FlipAsync(SourcePath, 54321);

        DiskTransferStatus started = await source.Disks.StartDiskTransferAsync(new("disk.img", offer, slow), Cancel);

        DiskTransferStatus ended = await FollowAsync(source, started.Id);
        Assert.Equal(DiskTransferState.Failed, ended.State);
        Assert.Equal(MigrationErrorReason.DiskChanged, ended.ErrorReason);
        Assert.Equal(fragment, Assert.Single(await destination.Disks.ListDiskFragmentsAsync(Cancel)));
        Assert.False(File.Exists(DestinationPath));
    }

    [Fact]
    public async Task Unfinished_files_are_their_owners_alone()
    {
        await using LocalHost destination = new(await OpenPartsAsync("b"));
        await using LocalHost source = new(await OpenPartsAsync("a"));
        await LeaveFragmentAsync(source, destination, () =>
        {
            string[] arriving = Directory.GetFiles(Path.GetDirectoryName(DestinationPath)!, ".vmmigration-*");
            Assert.Equal(2, arriving.Length);
            Assert.All(arriving, RequireOwnersAlone);
        });
        string[] kept = Directory.GetFiles(Path.Combine(scratch.File("b"), "disks", ".fragments"), "*", SearchOption.AllDirectories);
        Assert.Equal(2, kept.Length);
        Assert.All(kept, RequireOwnersAlone);
    }

    private string SourcePath => Path.Combine(scratch.File("a"), "disks", "disk.img");

    private string DestinationPath => Path.Combine(scratch.File("b"), "disks", "disk.img");

    /// <summary>Interrupts a transfer, has something happen, and starts it again: it must complete with what the source holds then.</summary>
    private async Task<DiskTransferStatus> ResumeAfterAsync(Func<DiskFragment, LocalHostParts, string, Task> happen)
    {
        await using LocalHostParts parts = await OpenPartsAsync("b");
        await using var destination = new LocalHost(parts);
        await using LocalHost source = new(await OpenPartsAsync("a"));
        DiskFragment fragment = await LeaveFragmentAsync(source, destination);
        await happen(fragment, parts, SourcePath);
        DiskTransferStatus started = await DiskTransferBroker.StartAsync(
            source, "disk.img", destination, null, slow, MobilityPathChoice.Direct, Cancel);
        DiskTransferStatus ended = await FollowAsync(source, started.Id);
        Assert.True(ended.State == DiskTransferState.Completed, $"{ended.ErrorReason}: {ended.ErrorMessage}");
        Assert.Equal(await File.ReadAllBytesAsync(SourcePath, Cancel), await File.ReadAllBytesAsync(DestinationPath, Cancel));
        Assert.Empty(await destination.Disks.ListDiskFragmentsAsync(Cancel));
        return ended;
    }

    private async Task<DiskFragment> LeaveFragmentAsync(LocalHost source, LocalHost destination, Action? meanwhile = null)
    {
        await File.WriteAllBytesAsync(SourcePath, SampleBlocks.Contents(Blocks), Cancel);
        for (int attempt = 0; attempt < MaxTries; attempt++)
        {
            DiskTransferStatus started = await DiskTransferBroker.StartAsync(
                source, "disk.img", destination, null, slow, MobilityPathChoice.Direct, Cancel);
            await foreach (DiskTransferStatus status in source.Disks.WatchDiskTransferAsync(started.Id, Cancel))
            {
                if (status.DurableOffsetBytes >= 4 << 20) break;
            }

            meanwhile?.Invoke();
            DiskTransferStatus ended = await source.Disks.CancelDiskTransferAsync(started.Id, Cancel);
            if (ended.State == DiskTransferState.Cancelled) return Assert.Single(await destination.Disks.ListDiskFragmentsAsync(Cancel));

            // On a machine that was busy elsewhere for seconds it was complete before it could be stopped.
            File.Delete(DestinationPath);
        }

        throw new InvalidOperationException($"{MaxTries} transfers were complete before they could be interrupted.");
    }

    private static async Task<DiskTransferStatus> FollowAsync(LocalHost host, Guid id)
    {
        DiskTransferStatus? last = null;
        await foreach (DiskTransferStatus status in host.Disks.WatchDiskTransferAsync(id, Cancel)) last = status;
        return last!;
    }

    private static async Task FlipAsync(string path, int offset)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        int value = file.ReadByte();
        file.Position = offset;
        await file.WriteAsync(new[] { (byte)(value ^ 1) }, Cancel);
    }

    private static void RequireOwnersAlone(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    private Task<LocalHostParts> OpenPartsAsync(string name) => LocalHostParts.OpenAsync(
        new() { Name = name, StateDirectory = scratch.File(name) }, LocalHostParts.MakeHypervisors, parts => new LocalHostMigrations(parts),
        Cancel);
}
