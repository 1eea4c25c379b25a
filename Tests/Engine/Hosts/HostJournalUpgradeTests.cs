using Microsoft.Data.Sqlite;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class HostJournalUpgradeTests
{
    // The tables as the first version made them, which no later change of the code may alter.
    private const string FirstVersion = """
        CREATE TABLE vms (
            id TEXT NOT NULL PRIMARY KEY, specification TEXT NOT NULL, running_specification TEXT, instance TEXT,
            ownership INTEGER NOT NULL, registered INTEGER NOT NULL, meant_to_run INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE migrations (
            id TEXT NOT NULL, role INTEGER NOT NULL, vm_id TEXT NOT NULL, peer_host TEXT NOT NULL, state INTEGER NOT NULL,
            started_at TEXT NOT NULL, recorded_at TEXT NOT NULL, status TEXT, address TEXT, ticket_hash BLOB, PRIMARY KEY (id, role)
        ) WITHOUT ROWID;
        PRAGMA user_version = 1;
        """;

    [Fact]
    public async Task A_journal_of_the_first_version_keeps_its_migrations_and_takes_what_later_ones_record()
    {
        using var scratch = new ScratchDirectory();
        var id = Guid.NewGuid();
        var vmId = Guid.NewGuid();
        using (HostDirectory made = HostDirectory.Open(scratch.Path))
        using (HostJournal journal = HostJournal.Open(made))
        {
            await journal.RecordAsync(
                new(id, MigrationRole.Source, vmId, "peer", MigrationJournalState.Started, DateTimeOffset.UtcNow),
                TestContext.Current.CancellationToken);
            journal.SaveVm(SampleVms.Journaled(SampleVms.Qemu("kept")));
        }

        // What the present version wrote, in the tables of the first.
        string present = scratch.File("journal.db");
        string first = scratch.File("first.db");
        await using (SqliteConnection connection = Open(first))
        {
            Execute(connection, FirstVersion);
            Execute(connection, $"ATTACH DATABASE '{present}' AS present;");
            Execute(connection, "INSERT INTO vms SELECT id, specification, running_specification, instance, ownership, registered, meant_to_run"
                + " FROM present.vms;");
            Execute(connection, "INSERT INTO migrations SELECT id, role, vm_id, peer_host, state, started_at, recorded_at, status, address,"
                + " ticket_hash FROM present.migrations;");
        }

        foreach (string suffix in (string[])["", "-wal", "-shm"]) File.Delete(present + suffix);
        File.Move(first, present);

        using (HostDirectory directory = HostDirectory.Open(scratch.Path))
        using (HostJournal journal = HostJournal.Open(directory))
        {
            Assert.Equal("kept", Assert.Single(journal.ReadVms()).Specification.Name);
            JournaledMigration migration = Assert.Single(journal.ReadMigrations(MigrationRole.Source));
            Assert.Equal((id, vmId, MigrationJournalState.Started), (migration.Entry.MigrationId, migration.Entry.VmId, migration.Entry.State));
            Assert.Null(migration.Request);
            Assert.Empty(journal.ReadPathEnds());
        }

        await using SqliteConnection upgraded = Open(present);
        Assert.Equal((long)JournalDatabase.SchemaVersion, Read(upgraded, "PRAGMA user_version;"));
        Assert.Equal(1L, Read(upgraded, "SELECT count(*) FROM pragma_table_info('migrations') WHERE name = 'request';"));
    }

    private static SqliteConnection Open(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static object? Read(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}
