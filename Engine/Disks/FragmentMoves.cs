namespace VmMigration.Engine.Disks;

/// <summary>
/// Brings records and files from one state to the next. Each method may be run again from wherever it was interrupted: a record names every
/// place its files can be at before one of them is moved, and is forgotten only when they are gone.
/// </summary>
internal sealed class FragmentMoves(ITransferRecords records, IFragmentFiles files, FragmentPlaces places, TimeProvider clock)
{
    /// <summary>Less than this that nothing recorded of is not worth being kept: it is sent in a moment.</summary>
    public const long WorthwhileBytes = 16 << 20;

    /// <summary>Brings the files to the place the record names.</summary>
    /// <returns>The record, at rest there.</returns>
    public TransferRecord FinishMove(TransferRecord record)
    {
        if (record.FormerPlace is not { } former) return record;
        string directory = Path.GetDirectoryName(record.Place)!;
        if (record.State == TransferRecordState.Kept) places.Make(record.Place);
        MoveIfThere(former + TransferRecord.DigestsEnding, record.DigestsPath);
        MoveIfThere(former + TransferRecord.FileEnding, record.FilePath);
        files.SyncDirectory(directory);
        if (Path.GetDirectoryName(former) is { } left && left != directory) files.SyncDirectory(left);
        TransferRecord moved = record with { FormerPlace = null };
        records.Save(moved);
        places.Tidy(former);
        return moved;
    }

    /// <summary>Makes what a transfer wrote a fragment, or removes it where it is not worth that.</summary>
    /// <returns>The fragment's record; null where nothing was left.</returns>
    public TransferRecord? Keep(TransferRecord record, MigrationErrorReason reason, string message)
    {
        TransferRecord moved = FinishMove(record);
        FragmentFileStatus? disk = files.Find(moved.FilePath);
        if (disk is null || (moved.OffsetBytes == 0 && disk.Value.AllocatedBytes < WorthwhileBytes))
        {
            Remove(moved);
            return null;
        }

        TransferRecord kept = moved with
        {
            State = TransferRecordState.Kept,
            Place = places.Kept(moved.DestinationPath, moved.Id),
            FormerPlace = moved.Place,
            RecordedAt = clock.GetUtcNow(),
            Reason = reason,
            Message = message,
            TakenFrom = null,
        };
        records.Save(kept);
        return FinishMove(kept);
    }

    /// <summary>Gives a fragment back that a transfer took and did not write.</summary>
    /// <param name="record">The transfer's record.</param>
    /// <param name="fragment">The fragment, as it was.</param>
    public TransferRecord GiveBack(TransferRecord record, TransferRecord fragment)
    {
        TransferRecord moved = FinishMove(record);
        TransferRecord kept = fragment with { FormerPlace = moved.Place };
        records.Replace(record.Id, kept);
        return FinishMove(kept);
    }

    /// <summary>Removes files and record.</summary>
    public void Remove(TransferRecord record)
    {
        if (record.State != TransferRecordState.Removing) records.Save(record with { State = TransferRecordState.Removing });
        foreach (string place in new[] { record.Place, record.FormerPlace }.OfType<string>())
        {
            files.Delete(place + TransferRecord.FileEnding);
            files.Delete(place + TransferRecord.DigestsEnding);
            files.SyncDirectory(Path.GetDirectoryName(place)!);
        }

        records.Delete(record.Id);
        places.Tidy(record.Place);
    }

    /// <summary>Gives a complete disk its final name.</summary>
    /// <returns>False where another file has the name and may not be replaced: the disk is arriving still.</returns>
    public bool Complete(TransferRecord record)
    {
        TransferRecord completing = record with { State = TransferRecordState.Completing };
        records.Save(completing);
        files.GrantAccess(record.FilePath, record.DestinationPath, record.Overwrite);
        if (!files.TryMove(record.FilePath, record.DestinationPath, record.Overwrite))
        {
            records.Save(record);
            return false;
        }

        files.SyncDirectory(Path.GetDirectoryName(record.DestinationPath)!);
        Forget(completing);
        return true;
    }

    /// <summary>Puts a record and its files into order that nobody works on.</summary>
    /// <returns>The fragment it is now; null where it is none.</returns>
    public TransferRecord? Settle(TransferRecord record)
    {
        switch (record.State)
        {
            case TransferRecordState.Removing:
                Remove(record);
                return null;
            case TransferRecordState.Completing when files.Find(record.FilePath) is null:
                Forget(record);
                return null;
            case TransferRecordState.Kept:
                TransferRecord kept = FinishMove(record);
                if (files.Find(kept.FilePath) is not null) return kept;
                Remove(kept);
                return null;
            case TransferRecordState.Arriving when record is { FormerPlace: not null, TakenFrom: { } fragment }:
                return GiveBack(record, fragment);
            default:
                return Keep(record, MigrationErrorReason.DestinationFailed, "The destination's host ended while the disk arrived.");
        }
    }

    /// <summary>The disk has its final name: what is left of it is its digests and its record.</summary>
    private void Forget(TransferRecord record)
    {
        files.Delete(record.DigestsPath);
        records.Delete(record.Id);
    }

    private void MoveIfThere(string from, string to)
    {
        if (files.Find(from) is not null) files.TryMove(from, to, replace: true);
    }
}
