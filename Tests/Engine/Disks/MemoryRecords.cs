using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Records that a test keeps over the end of a store.</summary>
internal sealed class MemoryRecords : ITransferRecords
{
    private readonly Lock gate = new();
    private readonly Dictionary<Guid, TransferRecord> records = [];

    public void Save(TransferRecord record)
    {
        lock (gate) records[record.Id] = record;
    }

    public void Replace(Guid formerId, TransferRecord record)
    {
        lock (gate)
        {
            records.Remove(formerId);
            records[record.Id] = record;
        }
    }

    public void SaveProgress(Guid id, long offsetBytes, long fileBytes, string digest)
    {
        lock (gate)
        {
            if (records.TryGetValue(id, out TransferRecord? record) && record.State == TransferRecordState.Arriving)
            {
                records[id] = record with { OffsetBytes = offsetBytes, FileBytes = fileBytes, Digest = digest };
            }
        }
    }

    public void Delete(Guid id)
    {
        lock (gate) records.Remove(id);
    }

    public TransferRecord? Find(Guid id)
    {
        lock (gate) return records.GetValueOrDefault(id);
    }

    public IReadOnlyList<TransferRecord> ReadAll()
    {
        lock (gate) return [.. records.Values.OrderBy(record => record.RecordedAt)];
    }
}
