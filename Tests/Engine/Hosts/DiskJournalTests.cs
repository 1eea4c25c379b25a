using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Tests.Disks;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class DiskJournalTests : IDisposable
{
    private readonly ScratchDirectory scratch = new();
    private HostDirectory directory;
    private HostJournal journal;

    public DiskJournalTests()
    {
        directory = HostDirectory.Open(scratch.Path);
        journal = HostJournal.Open(directory);
    }

    public void Dispose()
    {
        journal.Dispose();
        directory.Dispose();
        scratch.Dispose();
    }

    [Fact]
    public void What_was_recorded_of_an_incomplete_disk_is_there_after_reopening()
    {
        TransferRecord record = Record() with { TakenFrom = Record() with { State = TransferRecordState.Kept, Message = "Broken." } };
        journal.Disks.Save(record);
        TransferRecord sparse = Record() with { DestinationFormat = null, FormerPlace = null };
        journal.Disks.Save(sparse);

        Reopen();

        Assert.Equal(record, journal.Disks.Find(record.Id));
        Assert.Equal(sparse, journal.Disks.Find(sparse.Id));
        Assert.Equal(2, journal.Disks.ReadAll().Count);
        journal.Disks.Delete(record.Id);
        Assert.Equal(sparse, Assert.Single(journal.Disks.ReadAll()));
    }

    [Fact]
    public void A_record_takes_the_place_of_another_at_once()
    {
        TransferRecord fragment = Record();
        TransferRecord transfer = Record();
        journal.Disks.Save(fragment);
        journal.Disks.Replace(fragment.Id, transfer);
        Reopen();
        Assert.Equal(transfer, Assert.Single(journal.Disks.ReadAll()));
    }

    [Fact]
    public void Progress_is_recorded_of_what_is_arriving_only()
    {
        TransferRecord arriving = Record();
        TransferRecord kept = Record() with { State = TransferRecordState.Kept };
        journal.Disks.Save(arriving);
        journal.Disks.Save(kept);
        foreach (TransferRecord record in new[] { arriving, kept }) journal.Disks.SaveProgress(record.Id, 5 << 20, 6 << 20, "digest");

        Reopen();

        Assert.Equal(arriving with { OffsetBytes = 5 << 20, FileBytes = 6 << 20, Digest = "digest" }, journal.Disks.Find(arriving.Id));
        Assert.Equal(kept, journal.Disks.Find(kept.Id));
        journal.Disks.SaveProgress(Guid.NewGuid(), 1, 1, "digest");
        Assert.Equal(2, journal.Disks.ReadAll().Count);
    }

    [Fact]
    public void Only_ended_transfers_beyond_the_last_thousand_are_forgotten()
    {
        DateTimeOffset start = DateTimeOffset.UtcNow;
        DiskTransferStatus running = Status(start.AddDays(-2), DiskTransferState.Suspended);
        DiskTransferStatus old = Status(start.AddDays(-1), DiskTransferState.Completed);
        journal.Disks.SaveTransfer(running);
        journal.Disks.SaveTransfer(old);
        for (int i = 0; i < 1000; i++) journal.Disks.SaveTransfer(Status(start.AddSeconds(i), DiskTransferState.Failed));

        Reopen();

        Assert.Equal(running, journal.Disks.FindTransfer(running.Id));
        Assert.Null(journal.Disks.FindTransfer(old.Id));
        Assert.Equal(1001, journal.Disks.ReadTransfers().Count);
    }

    private static TransferRecord Record() => new()
    {
        Id = Guid.NewGuid(),
        State = TransferRecordState.Arriving,
        Source = StoreBench.Source() with { BackingPath = "/images/base.img", BackingFormat = DiskFormat.Qcow2 },
        DestinationPath = "/disks/disk.img",
        DestinationFormat = DiskFormat.Qcow2,
        Overwrite = true,
        OffsetBytes = 3 << 20,
        FileBytes = 4 << 20,
        Place = "/disks/.vmmigration-x",
        FormerPlace = "/disks/.fragments/here/x",
        RecordedAt = DateTimeOffset.UtcNow,
        Reason = MigrationErrorReason.ConnectionLost,
        Message = "The link broke.",
    };

    private static DiskTransferStatus Status(DateTimeOffset startedAt, DiskTransferState state) => new()
    {
        Id = Guid.NewGuid(),
        SourceHostName = "a",
        SourcePath = "/images/disk.img",
        DestinationHostName = "b",
        DestinationPath = "/disks/disk.img",
        Options = new() { Compression = DiskCompression.Zstd },
        State = state,
        StartedAt = startedAt,
        SizeBytes = 1 << 20,
    };

    private void Reopen()
    {
        journal.Dispose();
        directory.Dispose();
        directory = HostDirectory.Open(scratch.Path);
        journal = HostJournal.Open(directory);
    }
}
