namespace VmMigration.Engine.Disks;

/// <summary>
/// Where the disks that arrive on a host lie until they are complete. Each has a record before its file is made and until the file has its
/// final name or is removed, so that an engine that is killed finds, when its host is opened again, all it left.
/// </summary>
internal interface IIncompleteDisks
{
    /// <summary>Makes a place for a disk: with the files of a matching fragment, moved back, or with none.</summary>
    Task<IncompleteDiskPlace> TakeAsync(IncomingDiskRequest request, CancellationToken cancellationToken);

    /// <summary>Records how much of a disk is there for good.</summary>
    /// <param name="transferId">The transfer.</param>
    /// <param name="offsetBytes">All before it has been synced, digests included.</param>
    /// <param name="digest">XXH128 over the digests of the whole blocks before the offset, 32 hexadecimal digits.</param>
    void SaveProgress(Guid transferId, long offsetBytes, string digest);

    /// <summary>
    /// Moves the files of a transfer that did not complete to the fragments; null where nothing is worth being kept, and nothing is left then.
    /// </summary>
    Task<DiskFragment?> KeepAsync(Guid transferId, MigrationErrorReason reason, string message);

    /// <summary>
    /// Gives a complete, verified and synced disk its final name (rename(2), the directory synced after it), and forgets it.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where a file has the name by now and may not be replaced; the disk stays incomplete then.
    /// </exception>
    Task CompleteAsync(Guid transferId);
}
