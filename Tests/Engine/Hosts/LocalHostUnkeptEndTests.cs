using System.Net;
using System.Net.Sockets;
using Microsoft.Data.Sqlite;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public class LocalHostUnkeptEndTests
{
    private const string Blocker = "no-room-for-statuses";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_migration_whose_end_the_journal_did_not_take_is_settled_once_it_takes_it()
    {
        using var scratch = new ScratchDirectory();
        var options = new LocalHostOptions { Name = "a", StateDirectory = scratch.Path };
        await (await LocalHost.OpenAsync(options, Cancel)).DisposeAsync();

        // The journal is its host's alone while that is open: so the journal takes no status as long as it has a VM of this name.
        Execute(scratch, "CREATE TRIGGER full BEFORE UPDATE OF status ON migrations WHEN EXISTS"
            + $" (SELECT 1 FROM vms WHERE specification LIKE '%{Blocker}%') BEGIN SELECT RAISE(ABORT, 'no room'); END;");
        await using LocalHost source = await LocalHost.OpenAsync(options, Cancel);
        VmSpecification vm = SampleVms.Embedded();
        await source.CreateVmAsync(vm, Cancel);
        await source.StartVmAsync(vm.Id, Cancel);

        // A destination that lets the source wait.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen();
        var offer = new IncomingOffer(
            Guid.NewGuid(), "b", "127.0.0.1", ((IPEndPoint)silent.LocalEndPoint!).Port, new byte[Hello.TicketBytes])
        {
            Security = LinkSecurity.Plain,
        };
        MigrationStatus started = await source.StartMigrationAsync(new(vm.Id, offer, StateContents.Devices, new()), Cancel);
        VmSpecification blocker = SampleVms.Embedded() with { Name = Blocker };
        await source.CreateVmAsync(blocker, Cancel);

        MigrationStatus cancelled = await source.CancelMigrationAsync(started.Id, Cancel);

        Assert.Equal(MigrationState.RolledBack, cancelled.State);
        Assert.Equal(MigrationState.RolledBack, Assert.Single(await source.ListMigrationsAsync(Cancel)).State);
        await Assert.ThrowsAsync<MigrationException>(() => source.SettleMigrationAsync(started.Id, MigrationOutcome.SourceOwns, Cancel));
        Assert.Equal(MigrationState.RolledBack, (await source.GetMigrationAsync(started.Id, Cancel)).State);

        await source.RemoveVmAsync(blocker.Id, Cancel);
        MigrationStatus settled = await source.SettleMigrationAsync(started.Id, MigrationOutcome.SourceOwns, Cancel);
        Assert.Equal(MigrationState.RolledBack, settled.State);
        Assert.Equal(cancelled.ErrorMessage, settled.ErrorMessage);
        Assert.Equal(settled.EndedAt, (await source.GetMigrationAsync(started.Id, Cancel)).EndedAt);
    }

    private static void Execute(ScratchDirectory scratch, string sql)
    {
        using var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = scratch.File("journal.db"), Pooling = false }.ConnectionString);
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
