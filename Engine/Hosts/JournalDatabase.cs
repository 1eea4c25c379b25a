using Microsoft.Data.Sqlite;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The SQLite file under a host's journal: one connection, opened once, used under one lock. WAL with <c>synchronous=FULL</c> makes every
/// commit one sequential write and one fsync(2), the first one after a checkpoint two. Checkpoints, which sync more, happen when
/// <see cref="Checkpoint"/> is called, so that none falls into the downtime of a migration; by itself SQLite makes one only once the WAL
/// has grown to 16 MiB.
/// </summary>
internal sealed class JournalDatabase : IDisposable
{
    /// <summary>Version of the tables, kept in <c>user_version</c>: how many of the <see cref="SchemaSteps"/> were made.</summary>
    public static int SchemaVersion => SchemaSteps.Length;

    /// <summary>More than the WAL grows to between two checkpoints: one migration writes some 50 KiB.</summary>
    private const int PreallocatedWalBytes = 256 << 10;

    private const int SqliteFull = 13;
    private const int SqliteCannotOpen = 14;
    private const int SqliteReadOnly = 8;
    private const int SqliteNotADatabase = 26;
    private const int SqliteCorrupt = 11;

    /// <summary>What leads from one version of the tables to the next; those that are there are never changed.</summary>
    private static readonly string[] SchemaSteps =
    [
        """
        CREATE TABLE vms (
            id TEXT NOT NULL PRIMARY KEY,
            specification TEXT NOT NULL,
            running_specification TEXT,
            instance TEXT,
            ownership INTEGER NOT NULL,
            registered INTEGER NOT NULL,
            meant_to_run INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE migrations (
            id TEXT NOT NULL,
            role INTEGER NOT NULL,
            vm_id TEXT NOT NULL,
            peer_host TEXT NOT NULL,
            state INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            recorded_at TEXT NOT NULL,
            status TEXT,
            address TEXT,
            ticket_hash BLOB,
            PRIMARY KEY (id, role)
        ) WITHOUT ROWID;
        """,
        """
        CREATE TABLE path_ends (
            id TEXT NOT NULL PRIMARY KEY,
            request TEXT NOT NULL,
            made_at TEXT NOT NULL,
            forwarding_enabled INTEGER NOT NULL,
            failure TEXT
        ) WITHOUT ROWID;
        """,
        "ALTER TABLE migrations ADD COLUMN request TEXT;",
        """
        CREATE TABLE incoming_disks (
            id TEXT NOT NULL PRIMARY KEY,
            state INTEGER NOT NULL,
            source TEXT NOT NULL,
            destination_path TEXT NOT NULL,
            destination_format INTEGER,
            overwrite INTEGER NOT NULL,
            offset_bytes INTEGER NOT NULL,
            file_bytes INTEGER NOT NULL,
            digest TEXT NOT NULL,
            place TEXT NOT NULL,
            former_place TEXT,
            recorded_at TEXT NOT NULL,
            reason INTEGER NOT NULL,
            message TEXT NOT NULL,
            taken_from TEXT
        ) WITHOUT ROWID;
        CREATE TABLE disk_transfers (
            id TEXT NOT NULL PRIMARY KEY,
            started_at TEXT NOT NULL,
            ended INTEGER NOT NULL,
            status TEXT NOT NULL
        ) WITHOUT ROWID;
        """,
        """
        CREATE TABLE arrived_disks (
            path TEXT NOT NULL PRIMARY KEY,
            source TEXT NOT NULL,
            flattened INTEGER NOT NULL,
            generation TEXT NOT NULL
        ) WITHOUT ROWID;
        """,
    ];

    private readonly Lock gate = new();
    private readonly string path;
    private readonly SqliteConnection connection;
    private readonly Dictionary<string, SqliteCommand> prepared = [];
    private bool closed;

    private JournalDatabase(string path, SqliteConnection connection)
    {
        this.path = path;
        this.connection = connection;
    }

    /// <summary>Opens the file, or makes it with the tables of <see cref="SchemaVersion"/>.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VersionMismatch"/> where a newer version made the file, and what <see cref="Run{T}"/> throws.
    /// </exception>
    public static JournalDatabase Open(string path)
    {
        var builder = new SqliteConnectionStringBuilder { DataSource = path, Pooling = false };
        var database = new JournalDatabase(path, new SqliteConnection(builder.ConnectionString));
        try
        {
            database.Run("open", () =>
            {
                database.KeepSecret();
                database.connection.Open();
                database.Configure();
                database.Migrate();
                database.PreallocateWal();
                return true;
            });
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>Runs <paramref name="work"/> alone; several statements belong into <see cref="Commit"/>.</summary>
    /// <exception cref="MigrationException">
    /// With the reason the SQLite error stands for, naming the file; <see cref="MigrationErrorReason.InvalidState"/> once it is closed.
    /// </exception>
    public T Run<T>(string operation, Func<T> work)
    {
        lock (gate)
        {
            // A question that came while the host was being closed.
            if (closed) throw VmRegistry.HostClosed();
            try
            {
                return work();
            }
            catch (SqliteException e)
            {
                throw Translate(operation, e);
            }
        }
    }

    /// <summary>Runs <paramref name="work"/> as one transaction, which is on disk when this returns and undone when it throws.</summary>
    public void Commit(string operation, Action work) => Run(operation, () =>
    {
        Prepared("BEGIN IMMEDIATE").ExecuteNonQuery();
        try
        {
            work();
            Prepared("COMMIT").ExecuteNonQuery();
        }
        catch
        {
            // SQLite ends the transaction by itself on some errors (a full disk); a second rollback would hide the first error.
            if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0) Prepared("ROLLBACK").ExecuteNonQuery();
            throw;
        }

        return true;
    });

    /// <summary>
    /// A statement that is compiled once and kept; parameters are named <c>@0</c>, <c>@1</c>… and set from <paramref name="values"/>, null
    /// being NULL. Only inside <see cref="Run{T}"/> and <see cref="Commit"/>.
    /// </summary>
    public SqliteCommand Prepared(string sql, params ReadOnlySpan<object?> values)
    {
        if (!prepared.TryGetValue(sql, out SqliteCommand? command))
        {
            command = connection.CreateCommand();
            command.CommandText = sql;
            for (int i = 0; i < values.Length; i++) command.Parameters.Add(new SqliteParameter { ParameterName = $"@{i}" });
            prepared.Add(sql, command);
        }

        for (int i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i] ?? DBNull.Value;
        return command;
    }

    /// <summary>Moves what the WAL holds into the database file. Several fsyncs: for moments nobody waits for.</summary>
    public void Checkpoint() => Run("checkpoint", () => Prepared("PRAGMA wal_checkpoint(PASSIVE)").ExecuteNonQuery());

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
            foreach (SqliteCommand command in prepared.Values) command.Dispose();
            prepared.Clear();
            connection.Dispose();
        }
    }

    /// <summary>Lets nobody but its owner read the file, which holds tickets; SQLite gives the WAL the same mode when it makes it.</summary>
    private void KeepSecret()
    {
        if (OperatingSystem.IsWindows()) return;
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            // Before SQLite opens it: closing any descriptor of a file drops the process's locks on it (fcntl(2)).
            FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, UnixCreateMode = OwnerOnly };
            new FileStream(path, options).Dispose();
            foreach (string file in new[] { path, $"{path}-wal" }.Where(File.Exists)) File.SetUnixFileMode(file, OwnerOnly);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MigrationException(MigrationErrorReason.AccessDenied, $"The journal '{path}' could not open: {e.Message}",
                "Give this user the right to write the state directory.", e);
        }
        catch (IOException e)
        {
            throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"The journal '{path}' could not open: {e.Message}",
                "See whether the file system of the state directory is healthy.", e);
        }
    }

    private void Configure()
    {
        // The host's lock file keeps others out, so SQLite needs no shared-memory index: EXCLUSIVE saves its file and its locks.
        Execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;");
    }

    private void Migrate()
    {
        using SqliteCommand reading = connection.CreateCommand();
        reading.CommandText = "PRAGMA user_version";
        long found = (long)reading.ExecuteScalar()!;
        if (found > SchemaVersion)
        {
            throw new MigrationException(MigrationErrorReason.VersionMismatch,
                $"The journal '{path}' has schema version {found}; this version of the engine knows up to {SchemaVersion}.",
                "Use the newer version of VmMigration that wrote it, or another state directory.");
        }

        // A crash between the two steps of PreallocateWal leaves its table behind.
        Execute("DROP TABLE IF EXISTS padding;");
        for (long version = found; version < SchemaVersion; version++)
        {
            Execute($"BEGIN IMMEDIATE; {SchemaSteps[version]} PRAGMA user_version={version + 1}; COMMIT;");
        }
    }

    /// <summary>
    /// Makes the WAL long once, so that later commits overwrite blocks it has already: a quarter faster than growing the file with each one.
    /// </summary>
    private void PreallocateWal()
    {
        // Committed before it is dropped: SQLite writes no pages that were freed in the transaction that filled them.
        Execute($"BEGIN IMMEDIATE; CREATE TABLE padding (bytes BLOB); INSERT INTO padding VALUES (zeroblob({PreallocatedWalBytes})); COMMIT;");
        Execute("DROP TABLE padding; PRAGMA wal_checkpoint(PASSIVE);");
    }

    private void Execute(string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private MigrationException Translate(string operation, SqliteException e) => e.SqliteErrorCode switch
    {
        SqliteFull => new(MigrationErrorReason.OutOfSpace, $"The journal '{path}' could not {operation}: the disk is full.",
            "Free space on the file system of the state directory.", e),
        SqliteCannotOpen or SqliteReadOnly => new(MigrationErrorReason.AccessDenied,
            $"The journal '{path}' could not {operation}: {e.Message}", "Give this user the right to write the state directory.", e),
        SqliteNotADatabase or SqliteCorrupt => new(MigrationErrorReason.SystemCallFailed,
            $"The journal '{path}' is damaged or no journal: {e.Message}",
            "Restore the file, or move it away and register the VMs that still run again.", e),
        _ => new(MigrationErrorReason.SystemCallFailed, $"The journal '{path}' could not {operation}: {e.Message}",
            "See whether the file system of the state directory is healthy.", e),
    };
}
