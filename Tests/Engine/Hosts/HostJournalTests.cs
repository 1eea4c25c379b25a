using Microsoft.Data.Sqlite;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class HostJournalTests : IDisposable
{
    private readonly ScratchDirectory scratch = new();
    private HostDirectory directory;
    private HostJournal journal;

    public HostJournalTests()
    {
        directory = HostDirectory.Open(scratch.Path);
        journal = HostJournal.Open(directory);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string DatabasePath => scratch.File("journal.db");

    public void Dispose()
    {
        journal.Dispose();
        directory.Dispose();
        scratch.Dispose();
    }

    [Fact]
    public void What_was_saved_of_a_vm_is_there_after_reopening()
    {
        VmSpecification specification = SampleVms.Qemu("vm1") with { VcpuCount = 3 };
        var instance = new VmInstance { ProcessId = 4711, QmpSocketPath = "/x/qmp.sock", RamFilePath = "/x/ram", Accelerator = "kvm" };
        journal.SaveVm(new() { Specification = specification, Instance = instance, Registered = true, MeantToRun = true });

        Reopen();

        JournaledVm found = Assert.Single(journal.ReadVms());
        Assert.Equal(instance, found.Instance);
        Assert.True(found.Registered);
        Assert.True(found.MeantToRun);
        Assert.Equal(VmOwnership.Owned, found.Ownership);
        Assert.Equal(specification.Id, found.Specification.Id);
        Assert.Equal(3, found.Specification.VcpuCount);
        Assert.Equal("/nowhere/disk.img", Assert.Single(found.Specification.Qemu!.Disks).Path);
        Assert.Null(found.Specification.Embedded);
    }

    [Fact]
    public void Who_asks_while_the_host_is_being_closed_hears_that_it_is()
    {
        journal.Dispose();

        var refusal = Assert.Throws<MigrationException>(() => journal.ReadMigrations(MigrationRole.Source));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Contains("closed", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_deleted_vm_stays_deleted()
    {
        VmSpecification specification = SampleVms.Embedded();
        journal.SaveVm(SampleVms.Journaled(specification));
        journal.DeleteVm(specification.Id);

        Reopen();

        Assert.Empty(journal.ReadVms());
        Assert.Null(journal.FindVm(specification.Id));
    }

    [Theory]
    [InlineData(MigrationRole.Source, VmOwnership.Owned, new[] { MigrationJournalState.Started }, VmOwnership.Owned)]
    [InlineData(MigrationRole.Source, VmOwnership.Owned,
        new[] { MigrationJournalState.Started, MigrationJournalState.Granted }, VmOwnership.GivenAway)]
    [InlineData(MigrationRole.Source, VmOwnership.Owned,
        new[] { MigrationJournalState.Started, MigrationJournalState.Granted, MigrationJournalState.Undecided }, VmOwnership.Undecided)]
    [InlineData(MigrationRole.Source, VmOwnership.Owned,
        new[] { MigrationJournalState.Started, MigrationJournalState.Granted, MigrationJournalState.RolledBack }, VmOwnership.Owned)]
    [InlineData(MigrationRole.Destination, VmOwnership.Incoming,
        new[] { MigrationJournalState.Started, MigrationJournalState.RolledBack }, VmOwnership.Incoming)]
    [InlineData(MigrationRole.Destination, VmOwnership.Incoming,
        new[] { MigrationJournalState.Started, MigrationJournalState.Owner, MigrationJournalState.RolledBack }, VmOwnership.Incoming)]
    [InlineData(MigrationRole.Destination, VmOwnership.Incoming,
        new[] { MigrationJournalState.Started, MigrationJournalState.Owner }, VmOwnership.Owned)]
    internal async Task Who_may_run_the_vm_changes_with_the_record(
        MigrationRole role, VmOwnership before, MigrationJournalState[] states, VmOwnership after)
    {
        VmSpecification vm = SampleVms.Embedded();
        journal.SaveVm(SampleVms.Journaled(vm, before));
        var migrationId = Guid.NewGuid();
        foreach (MigrationJournalState state in states)
        {
            await journal.RecordAsync(SampleVms.Entry(vm.Id, role, state, migrationId), Cancel);
        }

        Reopen();

        Assert.Equal(after, journal.FindVm(vm.Id)!.Ownership);
        MigrationJournalEntry? entry = await journal.FindAsync(migrationId, role, Cancel);
        Assert.Equal(states[^1], entry!.State);
        Assert.Equal("peer", entry.PeerHostName);
    }

    [Fact]
    public async Task A_forbidden_transition_is_refused_and_changes_nothing()
    {
        VmSpecification vm = SampleVms.Embedded();
        journal.SaveVm(SampleVms.Journaled(vm));
        MigrationJournalEntry entry = SampleVms.Entry(vm.Id, MigrationRole.Source, MigrationJournalState.Started);
        await journal.RecordAsync(entry, Cancel);
        await journal.RecordAsync(entry with { State = MigrationJournalState.RolledBack }, Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(
            async () => await journal.RecordAsync(entry with { State = MigrationJournalState.Granted }, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Contains("RolledBack", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(MigrationJournalState.RolledBack, (await journal.FindAsync(entry.MigrationId, entry.Role, Cancel))!.State);
        Assert.Equal(VmOwnership.Owned, journal.FindVm(vm.Id)!.Ownership);
        // The refused transaction is closed: the journal goes on.
        await journal.RecordAsync(SampleVms.Entry(vm.Id, MigrationRole.Source, MigrationJournalState.Started), Cancel);
    }

    [Fact]
    public async Task Both_ends_of_one_migration_can_be_in_one_journal()
    {
        var vmId = Guid.NewGuid();
        var migrationId = Guid.NewGuid();
        await journal.RecordAsync(SampleVms.Entry(vmId, MigrationRole.Source, MigrationJournalState.Started, migrationId), Cancel);
        await journal.RecordAsync(SampleVms.Entry(vmId, MigrationRole.Destination, MigrationJournalState.Started, migrationId), Cancel);
        await journal.RecordAsync(SampleVms.Entry(vmId, MigrationRole.Destination, MigrationJournalState.Owner, migrationId), Cancel);

        Assert.Equal(MigrationJournalState.Started, (await journal.FindAsync(migrationId, MigrationRole.Source, Cancel))!.State);
        Assert.Equal(MigrationJournalState.Owner, (await journal.FindAsync(migrationId, MigrationRole.Destination, Cancel))!.State);
        Assert.Null(await journal.FindAsync(Guid.NewGuid(), MigrationRole.Source, Cancel));
    }

    [Fact]
    public async Task Status_and_offer_stay_with_their_migration()
    {
        VmSpecification vm = SampleVms.Embedded();
        var migrationId = Guid.NewGuid();
        await journal.RecordAsync(SampleVms.Entry(vm.Id, MigrationRole.Source, MigrationJournalState.Started, migrationId), Cancel);
        await journal.RecordAsync(SampleVms.Entry(vm.Id, MigrationRole.Destination, MigrationJournalState.Started, migrationId), Cancel);
        MigrationStatus status = SampleVms.Status(migrationId, vm, MigrationState.Precopy);
        journal.SaveStatus(status);
        journal.SaveOffer(migrationId, "127.0.0.1:4000", [1, 2, 3]);

        Reopen();

        MigrationStatus found = Assert.Single(journal.ReadMigrations(MigrationRole.Source)).Status!;
        Assert.Equal(status.Progress with { Passes = [], Disks = [] }, found.Progress with { Passes = [], Disks = [] });
        Assert.Equal(status.Progress.Disks, found.Progress.Disks);
        Assert.Equal(status.Progress.Passes, found.Progress.Passes);
        Assert.Equal(status.State, found.State);
        Assert.Equal(status.Result!.PassDetails, found.Result!.PassDetails);
        JournaledMigration destination = journal.FindMigration(migrationId, MigrationRole.Destination)!;
        Assert.Equal("127.0.0.1:4000", destination.Address);
        Assert.Equal([1, 2, 3], destination.TicketHash!);
        Assert.Equal(MigrationErrorReason.MigrationNotFound,
            Assert.Throws<MigrationException>(() => journal.SaveOffer(Guid.NewGuid(), "x", [])).Reason);
    }

    [Fact]
    public async Task Only_ended_migrations_beyond_the_last_thousand_are_forgotten()
    {
        MigrationJournalEntry oldest = SampleVms.Entry(Guid.NewGuid(), MigrationRole.Source, MigrationJournalState.Started)
            with { At = DateTimeOffset.UtcNow.AddDays(-2) };
        await journal.RecordAsync(oldest, Cancel);
        MigrationJournalEntry old = oldest with { MigrationId = Guid.NewGuid(), At = DateTimeOffset.UtcNow.AddDays(-1) };
        await journal.RecordAsync(old, Cancel);
        await journal.RecordAsync(old with { State = MigrationJournalState.RolledBack }, Cancel);
        for (int i = 0; i < 1000; i++)
        {
            await journal.RecordAsync(SampleVms.Entry(Guid.NewGuid(), MigrationRole.Source, MigrationJournalState.Started), Cancel);
        }

        Reopen();

        Assert.NotNull(await journal.FindAsync(oldest.MigrationId, MigrationRole.Source, Cancel));
        Assert.Null(await journal.FindAsync(old.MigrationId, MigrationRole.Source, Cancel));
        Assert.Equal(1001, journal.ReadMigrations(MigrationRole.Source).Count);
    }

    [Fact]
    public void A_journal_of_a_newer_version_is_refused_by_name()
    {
        journal.Dispose();
        SetUserVersion(JournalDatabase.SchemaVersion + 1);

        var refusal = Assert.Throws<MigrationException>(() => HostJournal.Open(directory));

        Assert.Equal(MigrationErrorReason.VersionMismatch, refusal.Reason);
        Assert.Contains(DatabasePath, refusal.Message, StringComparison.Ordinal);
        Assert.Contains($"{JournalDatabase.SchemaVersion + 1}", refusal.Message, StringComparison.Ordinal);
        SetUserVersion(JournalDatabase.SchemaVersion);
        Reopen();
    }

    [Fact]
    public void A_file_that_is_no_journal_is_refused_by_name()
    {
        journal.Dispose();
        File.WriteAllText(DatabasePath, new string('x', 8192));

        var refusal = Assert.Throws<MigrationException>(() => HostJournal.Open(directory));

        Assert.Equal(MigrationErrorReason.SystemCallFailed, refusal.Reason);
        Assert.Contains(DatabasePath, refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(refusal.RecommendedAction);
    }

    [Fact]
    public async Task Commits_overwrite_a_write_ahead_log_that_is_long_already()
    {
        long before = new FileInfo(DatabasePath + "-wal").Length;
        Assert.True(before >= 256 << 10, $"The WAL has {before} bytes.");
        for (int i = 0; i < 10; i++)
        {
            await journal.RecordAsync(SampleVms.Entry(Guid.NewGuid(), MigrationRole.Source, MigrationJournalState.Started), Cancel);
        }

        Assert.Equal(before, new FileInfo(DatabasePath + "-wal").Length);
    }

    [Fact]
    public async Task A_migration_that_ends_checkpoints_only_where_no_other_is_under_way()
    {
        MigrationJournalEntry first = SampleVms.Entry(Guid.NewGuid(), MigrationRole.Source, MigrationJournalState.Started);
        MigrationJournalEntry second = first with { MigrationId = Guid.NewGuid() };
        await journal.RecordAsync(first, Cancel);
        await journal.RecordAsync(second, Cancel);
        byte[] before = ReadDatabase();

        await journal.RecordAsync(second with { State = MigrationJournalState.RolledBack }, Cancel);
        Assert.Equal(before, ReadDatabase());

        await journal.RecordAsync(first with { State = MigrationJournalState.RolledBack }, Cancel);
        Assert.NotEqual(before, ReadDatabase());
    }

    private byte[] ReadDatabase()
    {
        using var file = new FileStream(DatabasePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    private void Reopen()
    {
        journal.Dispose();
        directory.Dispose();
        directory = HostDirectory.Open(scratch.Path);
        journal = HostJournal.Open(directory);
    }

    private void SetUserVersion(int version)
    {
        using var connection = new SqliteConnection($"Data Source={DatabasePath};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"PRAGMA user_version={version}";
        command.ExecuteNonQuery();
    }
}
