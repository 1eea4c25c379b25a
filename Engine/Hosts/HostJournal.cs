using Microsoft.Data.Sqlite;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;
using static VmMigration.Engine.Hosts.JournalValue;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// What a host must not forget: its VMs, and how far its migrations were decided. Every write is on disk when the call returns. Writes take
/// one fsync(2) and run on the caller's thread; a write that has begun is not cancelled.
/// </summary>
internal sealed class HostJournal : IMigrationJournal, IDisposable
{
    private const int KeptMigrations = 1000;
    private const string VmColumns = "specification, running_specification, instance, ownership, registered, meant_to_run";
    private const string MigrationColumns =
        "id, role, vm_id, peer_host, state, recorded_at, started_at, status, address, ticket_hash, request";

    private readonly JournalDatabase database;

    private HostJournal(JournalDatabase database)
    {
        this.database = database;
        Disks = new(database);
        ArrivedDisks = new(database);
    }

    /// <summary>What is known of disks.</summary>
    public DiskJournal Disks { get; }

    /// <summary>Images that arrived for VMs which have not.</summary>
    public ArrivedDiskJournal ArrivedDisks { get; }

    /// <summary>Opens <c>journal.db</c> in the host's directory and forgets all but the last 1,000 ended migrations and disk transfers.</summary>
    public static HostJournal Open(HostDirectory directory)
    {
        var journal = new HostJournal(JournalDatabase.Open(Path.Combine(directory.Path, "journal.db")));
        try
        {
            journal.ForgetOldMigrations();
            journal.Disks.ForgetOldTransfers();
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>Records a VM in place of what was known of the same id.</summary>
    public void SaveVm(JournaledVm vm) => database.Commit("save a VM", () => database.Prepared(
        $"INSERT OR REPLACE INTO vms (id, {VmColumns}) VALUES (@0, @1, @2, @3, @4, @5, @6)",
        Key(vm.Specification.Id), ToJson(vm.Specification), ToJson(vm.RunningSpecification), ToJson(vm.Instance), (int)vm.Ownership,
        vm.Registered, vm.MeantToRun).ExecuteNonQuery());

    /// <summary>Forgets a VM; does nothing where it is not known.</summary>
    public void DeleteVm(Guid vmId) =>
        database.Commit("delete a VM", () => database.Prepared("DELETE FROM vms WHERE id = @0", Key(vmId)).ExecuteNonQuery());

    /// <summary>Finds a VM; null where it is not known.</summary>
    public JournaledVm? FindVm(Guid vmId) => database.Run("read a VM", () =>
    {
        using SqliteDataReader row = database.Prepared(
            $"SELECT {VmColumns} FROM vms WHERE id = @0", Key(vmId)).ExecuteReader();
        return row.Read() ? ReadVm(row) : null;
    });

    /// <summary>All VMs.</summary>
    public IReadOnlyList<JournaledVm> ReadVms() => database.Run("read the VMs", () =>
    {
        List<JournaledVm> vms = [];
        using SqliteDataReader row = database.Prepared($"SELECT {VmColumns} FROM vms").ExecuteReader();
        while (row.Read()) vms.Add(ReadVm(row));
        return vms;
    });

    /// <inheritdoc/>
    /// <remarks>The VM's <see cref="VmOwnership"/> changes in the same transaction.</remarks>
    public ValueTask RecordAsync(MigrationJournalEntry entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        database.Commit("record a migration", () => Record(entry));
        // Keeps the WAL short, at a moment when it delays no other migration's downtime.
        if (MigrationJournalRules.HasEnded(entry.State) && !AnyUnderWay()) database.Checkpoint();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<MigrationJournalEntry?> FindAsync(Guid migrationId, MigrationRole role, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(FindMigration(migrationId, role)?.Entry);
    }

    /// <summary>Finds all that is known of a migration; null where it is not known in that role.</summary>
    public JournaledMigration? FindMigration(Guid migrationId, MigrationRole role) => database.Run("read a migration", () =>
    {
        using SqliteDataReader row = database.Prepared(
            $"SELECT {MigrationColumns} FROM migrations WHERE id = @0 AND role = @1", Key(migrationId), (int)role).ExecuteReader();
        return row.Read() ? ReadMigration(row) : null;
    });

    /// <summary>All migrations in that role, the oldest first.</summary>
    public IReadOnlyList<JournaledMigration> ReadMigrations(MigrationRole role) => database.Run("read the migrations", () =>
    {
        List<JournaledMigration> migrations = [];
        using SqliteDataReader row = database.Prepared(
            $"SELECT {MigrationColumns} FROM migrations WHERE role = @0 ORDER BY started_at", (int)role).ExecuteReader();
        while (row.Read()) migrations.Add(ReadMigration(row));
        return migrations;
    });

    /// <summary>Keeps the source's last status with its migration, which must have been recorded.</summary>
    public void SaveStatus(MigrationStatus status) => Update(status.Id, MigrationRole.Source, "save a status", () => database.Prepared(
        "UPDATE migrations SET status = @2 WHERE id = @0 AND role = @1",
        Key(status.Id), (int)MigrationRole.Source, ToJson(status)).ExecuteNonQuery());

    /// <summary>
    /// Keeps with a migration that begins at its source, and must have been recorded, all that is needed to ask its destination again. Of the
    /// ticket that is <see cref="Hello.OutcomeTicketOf"/> it, unless <see cref="JournaledMigration.KeepsTicket"/>; it goes with the end of the
    /// migration.
    /// </summary>
    public void SaveRequest(MigrationRequest request, MigrationStatus status) =>
        Update(status.Id, MigrationRole.Source, "save a request", () => database.Prepared(
            "UPDATE migrations SET status = @2, request = @3 WHERE id = @0 AND role = @1",
            Key(status.Id), (int)MigrationRole.Source, ToJson(status), ToJson(JournaledMigration.KeepsTicket(request)
                ? request
                : request with { Offer = request.Offer with { Ticket = Hello.OutcomeTicketOf(request.Offer.Ticket) } })).ExecuteNonQuery());

    /// <summary>Keeps what the destination offered with its migration, which must have been recorded.</summary>
    /// <param name="migrationId">Id of the migration.</param>
    /// <param name="address">Address and port the source was told.</param>
    /// <param name="ticketHash">SHA-256 of the ticket.</param>
    public void SaveOffer(Guid migrationId, string address, byte[] ticketHash) =>
        Update(migrationId, MigrationRole.Destination, "save an offer", () => database.Prepared(
            "UPDATE migrations SET address = @2, ticket_hash = @3 WHERE id = @0 AND role = @1",
            Key(migrationId), (int)MigrationRole.Destination, address, ticketHash).ExecuteNonQuery());

    /// <summary>Records an end of a mobility path in place of what was known of it.</summary>
    public void SavePathEnd(JournaledPathEnd end) => database.Commit("save the end of a path", () => database.Prepared(
        "INSERT OR REPLACE INTO path_ends (id, request, made_at, forwarding_enabled, failure) VALUES (@0, @1, @2, @3, @4)",
        Key(end.Request.PathId), ToJson(end.Request), ToText(end.MadeAt), end.ForwardingEnabled, end.Failure).ExecuteNonQuery());

    /// <summary>Forgets an end of a mobility path; does nothing where it is not known.</summary>
    public void DeletePathEnd(Guid pathId) => database.Commit("delete the end of a path", () =>
        database.Prepared("DELETE FROM path_ends WHERE id = @0", Key(pathId)).ExecuteNonQuery());

    /// <summary>All ends of mobility paths.</summary>
    public IReadOnlyList<JournaledPathEnd> ReadPathEnds() => database.Run("read the ends of paths", () =>
    {
        List<JournaledPathEnd> ends = [];
        using SqliteDataReader row = database.Prepared(
            "SELECT request, made_at, forwarding_enabled, failure FROM path_ends ORDER BY made_at").ExecuteReader();
        while (row.Read())
        {
            ends.Add(new(
                FromJson<MobilityPathRequest>(row.GetString(0)), FromText(row.GetString(1)), row.GetBoolean(2),
                row.IsDBNull(3) ? null : row.GetString(3)));
        }

        return ends;
    });

    /// <inheritdoc/>
    public void Dispose() => database.Dispose();

    private void Record(MigrationJournalEntry entry)
    {
        MigrationJournalState? last = ReadState(entry.MigrationId, entry.Role);
        if (!MigrationJournalRules.Allows(entry.Role, last, entry.State))
        {
            throw new MigrationException(MigrationErrorReason.InvalidState,
                $"Migration {entry.MigrationId} cannot become {entry.State} at its {entry.Role}: it is {last?.ToString() ?? "not known"}.");
        }

        database.Prepared(
            "INSERT INTO migrations (id, role, vm_id, peer_host, state, recorded_at, started_at) VALUES (@0, @1, @2, @3, @4, @5, @5)"
            + " ON CONFLICT (id, role) DO UPDATE SET state = excluded.state, recorded_at = excluded.recorded_at",
            Key(entry.MigrationId), (int)entry.Role, Key(entry.VmId), entry.PeerHostName, (int)entry.State, ToText(entry.At))
            .ExecuteNonQuery();
        if (MigrationJournalRules.HasEnded(entry.State))
        {
            database.Prepared("UPDATE migrations SET request = NULL WHERE id = @0 AND role = @1", Key(entry.MigrationId), (int)entry.Role)
                .ExecuteNonQuery();
        }

        if (OwnershipAfter(entry) is { } ownership)
        {
            database.Prepared("UPDATE vms SET ownership = @1 WHERE id = @0", Key(entry.VmId), (int)ownership).ExecuteNonQuery();
        }
    }

    private bool AnyUnderWay() => database.Run("read the migrations", () => database.Prepared(
        "SELECT EXISTS (SELECT 1 FROM migrations WHERE state IN (@0, @1, @2, @3))",
        (int)MigrationJournalState.Started, (int)MigrationJournalState.Granted, (int)MigrationJournalState.Owner,
        (int)MigrationJournalState.Receiving).ExecuteScalar() is not 0L);

    private static VmOwnership? OwnershipAfter(MigrationJournalEntry entry) => (entry.Role, entry.State) switch
    {
        (MigrationRole.Source, MigrationJournalState.Granted or MigrationJournalState.Completed) => VmOwnership.GivenAway,
        (MigrationRole.Source, MigrationJournalState.RolledBack) => VmOwnership.Owned,
        (MigrationRole.Destination, MigrationJournalState.Owner or MigrationJournalState.Receiving) => VmOwnership.Owned,
        // It owned the VM and could not run it: what may be left of the copy is discarded when the host is opened next.
        (MigrationRole.Destination, MigrationJournalState.RolledBack) => VmOwnership.Incoming,
        (MigrationRole.Source, MigrationJournalState.Undecided) => VmOwnership.Undecided,
        _ => null,
    };

    private MigrationJournalState? ReadState(Guid migrationId, MigrationRole role) =>
        database.Prepared("SELECT state FROM migrations WHERE id = @0 AND role = @1", Key(migrationId), (int)role).ExecuteScalar()
            is long state ? (MigrationJournalState)state : null;

    private void Update(Guid migrationId, MigrationRole role, string operation, Func<int> update) => database.Commit(operation, () =>
    {
        if (update() == 0)
        {
            throw new MigrationException(MigrationErrorReason.MigrationNotFound, $"Migration {migrationId} is not in the journal as {role}.");
        }
    });

    private void ForgetOldMigrations() => database.Commit("forget old migrations", () => database.Prepared(
        "DELETE FROM migrations WHERE state IN (@0, @1) AND (id, role) NOT IN"
        + " (SELECT id, role FROM migrations ORDER BY started_at DESC LIMIT @2)",
        (int)MigrationJournalState.Completed, (int)MigrationJournalState.RolledBack, KeptMigrations).ExecuteNonQuery());

    private static JournaledVm ReadVm(SqliteDataReader row) => new()
    {
        Specification = FromJson<VmSpecification>(row.GetString(0)),
        RunningSpecification = row.IsDBNull(1) ? null : FromJson<VmSpecification>(row.GetString(1)),
        Instance = row.IsDBNull(2) ? null : FromJson<VmInstance>(row.GetString(2)),
        Ownership = (VmOwnership)row.GetInt32(3),
        Registered = row.GetBoolean(4),
        MeantToRun = row.GetBoolean(5),
    };

    private static JournaledMigration ReadMigration(SqliteDataReader row) => new(
        new(Guid.Parse(row.GetString(0)), (MigrationRole)row.GetInt32(1), Guid.Parse(row.GetString(2)), row.GetString(3),
            (MigrationJournalState)row.GetInt32(4), FromText(row.GetString(5))),
        FromText(row.GetString(6)),
        row.IsDBNull(7) ? null : FromJson<MigrationStatus>(row.GetString(7)),
        row.IsDBNull(8) ? null : row.GetString(8),
        row.IsDBNull(9) ? null : row.GetFieldValue<byte[]>(9),
        row.IsDBNull(10) ? null : FromJson<MigrationRequest>(row.GetString(10)));
}
