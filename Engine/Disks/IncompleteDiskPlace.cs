namespace VmMigration.Engine.Disks;

/// <summary>The files of a disk that is arriving, and what of them was there before.</summary>
/// <param name="TransferId">The transfer that writes them.</param>
/// <param name="FilePath">Absolute path of the incomplete disk; no file yet where the transfer begins with nothing.</param>
/// <param name="DigestsPath">
/// Absolute path of the file beside it that holds the XXH128 of each block, 16 bytes a block in the order of the blocks.
/// </param>
/// <param name="DestinationPath">Absolute path the disk gets when it is complete and verified.</param>
/// <param name="Resumption">What the transfer begins with.</param>
/// <param name="Fragment">The fragment whose files these were; null where the transfer begins with nothing.</param>
internal sealed record IncompleteDiskPlace(
    Guid TransferId, string FilePath, string DigestsPath, string DestinationPath, DiskResumption Resumption, DiskFragment? Fragment);
