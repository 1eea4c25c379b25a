using VmMigration.Engine.Disks;
using VmMigration.Engine.Tests.Hosts;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>What is recorded of a disk that arrives, where its storage fails.</summary>
public sealed class DiskCheckpointTests : IDisposable
{
    private const int BlockBytes = BlockDigests.BlockBytes;

    private readonly ScratchDirectory directory = new();
    private readonly RecordedProgress records = new();

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task After_a_sync_that_failed_nothing_is_recorded_although_the_next_one_would_succeed()
    {
        var blocks = new DiskBlocks(3 * BlockBytes);
        var ledger = new BlockLedger(blocks.Count);
        await using var disk = new FailingDisk(IncompleteDiskFile.Open(directory.File("a.disk"), blocks.SizeBytes));
        using var digests = DiskDigestFile.Open(directory.File("a.digests"), blocks);
        var checkpoints = new DiskCheckpoints(Guid.NewGuid(), blocks, disk, digests, ledger, records);
        ledger.Place(0, 1);
        Assert.True(checkpoints.Make());

        ledger.Place(1, 1);
        disk.FailNextSync = true;
        MigrationException first = Assert.Throws<MigrationException>(() => { checkpoints.Make(); });
        MigrationException again = Assert.Throws<MigrationException>(() => { checkpoints.Make(); });

        Assert.Equal((MigrationErrorReason.SystemCallFailed, MigrationErrorReason.SystemCallFailed), (first.Reason, again.Reason));
        Assert.Equal([BlockBytes], records.Offsets);
        Assert.Equal(BlockBytes, checkpoints.DurableOffsetBytes);
    }

    /// <summary>A disk whose storage loses a write once, and reports that once, as the kernel does.</summary>
    private sealed class FailingDisk(IncompleteDiskFile disk) : IWritableDisk
    {
        public bool FailNextSync { get; set; }

        public long SizeBytes => disk.SizeBytes;

        public DiskExtent FindExtent(long offsetBytes) => disk.FindExtent(offsetBytes);

        public void Read(long offsetBytes, Span<byte> buffer) => disk.Read(offsetBytes, buffer);

        public void Write(long offsetBytes, ReadOnlySpan<byte> contents) => disk.Write(offsetBytes, contents);

        public void WriteZeros(long offsetBytes, long lengthBytes) => disk.WriteZeros(offsetBytes, lengthBytes);

        public void Sync()
        {
            if (!FailNextSync)
            {
                disk.Sync();
                return;
            }

            FailNextSync = false;
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, "fdatasync failed with EIO.");
        }

        public ValueTask DisposeAsync() => disk.DisposeAsync();
    }

    private sealed class RecordedProgress : IIncompleteDisks
    {
        public List<long> Offsets { get; } = [];

        public void SaveProgress(Guid transferId, long offsetBytes, string digest) => Offsets.Add(offsetBytes);

        public Task<IncompleteDiskPlace> TakeAsync(IncomingDiskRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<DiskFragment?> KeepAsync(Guid transferId, MigrationErrorReason reason, string message) => throw new NotSupportedException();

        public Task CompleteAsync(Guid transferId) => throw new NotSupportedException();
    }
}
