namespace VmMigration.Engine.Disks;

/// <summary>The records of incomplete disks. Every write is on the storage when the call returns, whole or not at all.</summary>
internal interface ITransferRecords
{
    /// <summary>Records a disk in place of what was known of the same id.</summary>
    void Save(TransferRecord record);

    /// <summary>Records a disk in place of what was known under another id, at once.</summary>
    void Replace(Guid formerId, TransferRecord record);

    /// <summary>Records how much of an arriving disk is there for good; does nothing where it is not arriving any more.</summary>
    void SaveProgress(Guid id, long offsetBytes, long fileBytes, string digest);

    /// <summary>Forgets a disk; does nothing where it is not known.</summary>
    void Delete(Guid id);

    /// <summary>Finds a record; null where it is not known.</summary>
    TransferRecord? Find(Guid id);

    /// <summary>All records, the oldest first.</summary>
    IReadOnlyList<TransferRecord> ReadAll();
}
