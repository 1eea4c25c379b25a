using Microsoft.Data.Sqlite;
using VmMigration.Engine.Disks;
using static VmMigration.Engine.Hosts.JournalValue;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The part of a host's journal that is about disks: where incomplete ones lie, and how the transfers ended that this host was the source of.
/// </summary>
internal sealed class DiskJournal(JournalDatabase database) : ITransferRecords
{
    private const int KeptTransfers = 1000;
    private const string RecordColumns =
        "id, state, source, destination_path, destination_format, overwrite, offset_bytes, file_bytes, digest, place, former_place, recorded_at,"
        + " reason, message, taken_from";

    /// <inheritdoc/>
    public void Save(TransferRecord record) => database.Commit("record an incomplete disk", () => Insert(record));

    /// <inheritdoc/>
    public void Replace(Guid formerId, TransferRecord record) => database.Commit("record an incomplete disk", () =>
    {
        Remove(formerId);
        Insert(record);
    });

    /// <inheritdoc/>
    public void SaveProgress(Guid id, long offsetBytes, long fileBytes, string digest) => database.Commit(
        "record how much of a disk arrived", () => database.Prepared(
            "UPDATE incoming_disks SET offset_bytes = @1, file_bytes = @2, digest = @3 WHERE id = @0 AND state = @4",
            Key(id), offsetBytes, fileBytes, digest, (int)TransferRecordState.Arriving).ExecuteNonQuery());

    /// <inheritdoc/>
    public void Delete(Guid id) => database.Commit("forget an incomplete disk", () => Remove(id));

    /// <inheritdoc/>
    public TransferRecord? Find(Guid id) => database.Run("read an incomplete disk", () =>
    {
        using SqliteDataReader row = database.Prepared($"SELECT {RecordColumns} FROM incoming_disks WHERE id = @0", Key(id)).ExecuteReader();
        return row.Read() ? ReadRecord(row) : null;
    });

    /// <inheritdoc/>
    public IReadOnlyList<TransferRecord> ReadAll() => database.Run("read the incomplete disks", () =>
    {
        List<TransferRecord> records = [];
        using SqliteDataReader row = database.Prepared($"SELECT {RecordColumns} FROM incoming_disks ORDER BY recorded_at").ExecuteReader();
        while (row.Read()) records.Add(ReadRecord(row));
        return records;
    });

    /// <summary>Keeps the status of a transfer that this host is the source of, in place of an earlier one.</summary>
    public void SaveTransfer(DiskTransferStatus status) => database.Commit("save a disk transfer", () => database.Prepared(
        "INSERT OR REPLACE INTO disk_transfers (id, started_at, ended, status) VALUES (@0, @1, @2, @3)",
        Key(status.Id), ToText(status.StartedAt), status.HasEnded, ToJson(status)).ExecuteNonQuery());

    /// <summary>Finds the last status of a transfer; null where it is not known.</summary>
    public DiskTransferStatus? FindTransfer(Guid id) => database.Run("read a disk transfer", () =>
        database.Prepared("SELECT status FROM disk_transfers WHERE id = @0", Key(id)).ExecuteScalar() is string status
            ? FromJson<DiskTransferStatus>(status) : null);

    /// <summary>The last statuses of all transfers, the oldest first.</summary>
    public IReadOnlyList<DiskTransferStatus> ReadTransfers() => database.Run("read the disk transfers", () =>
    {
        List<DiskTransferStatus> transfers = [];
        using SqliteDataReader row = database.Prepared("SELECT status FROM disk_transfers ORDER BY started_at").ExecuteReader();
        while (row.Read()) transfers.Add(FromJson<DiskTransferStatus>(row.GetString(0)));
        return transfers;
    });

    /// <summary>Forgets all but the last 1,000 transfers that ended.</summary>
    public void ForgetOldTransfers() => database.Commit("forget old disk transfers", () => database.Prepared(
        "DELETE FROM disk_transfers WHERE ended AND id NOT IN (SELECT id FROM disk_transfers ORDER BY started_at DESC LIMIT @0)",
        KeptTransfers).ExecuteNonQuery());

    private void Insert(TransferRecord record) => database.Prepared(
        $"INSERT OR REPLACE INTO incoming_disks ({RecordColumns})"
        + " VALUES (@0, @1, @2, @3, @4, @5, @6, @7, @8, @9, @10, @11, @12, @13, @14)",
        Key(record.Id), (int)record.State, ToJson(record.Source), record.DestinationPath, (int?)record.DestinationFormat, record.Overwrite,
        record.OffsetBytes, record.FileBytes, record.Digest, record.Place, record.FormerPlace, ToText(record.RecordedAt), (int)record.Reason,
        record.Message, ToJson(record.TakenFrom)).ExecuteNonQuery();

    private void Remove(Guid id) => database.Prepared("DELETE FROM incoming_disks WHERE id = @0", Key(id)).ExecuteNonQuery();

    private static TransferRecord ReadRecord(SqliteDataReader row) => new()
    {
        Id = Guid.Parse(row.GetString(0)),
        State = (TransferRecordState)row.GetInt32(1),
        Source = FromJson<DiskDescription>(row.GetString(2)),
        DestinationPath = row.GetString(3),
        DestinationFormat = row.IsDBNull(4) ? null : (DiskFormat)row.GetInt32(4),
        Overwrite = row.GetBoolean(5),
        OffsetBytes = row.GetInt64(6),
        FileBytes = row.GetInt64(7),
        Digest = row.GetString(8),
        Place = row.GetString(9),
        FormerPlace = row.IsDBNull(10) ? null : row.GetString(10),
        RecordedAt = FromText(row.GetString(11)),
        Reason = (MigrationErrorReason)row.GetInt32(12),
        Message = row.GetString(13),
        TakenFrom = row.IsDBNull(14) ? null : FromJson<TransferRecord>(row.GetString(14)),
    };
}
