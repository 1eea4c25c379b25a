namespace VmMigration.Engine.Disks;

/// <summary>What a fragment's files show before a transfer takes them.</summary>
/// <param name="Record">Its record.</param>
/// <param name="AllocatedBytes">Bytes the disk's file takes on its file system.</param>
/// <param name="Damage">How the files are not as the record says.</param>
internal sealed record FragmentEvidence(TransferRecord Record, long AllocatedBytes, FragmentDamage Damage)
{
    /// <summary>Looks at a fragment; null where its disk is gone.</summary>
    public static FragmentEvidence? Gather(TransferRecord record, IFragmentFiles files)
    {
        if (files.Find(record.FilePath) is not { IsRegular: true } disk) return null;
        return new(record, disk.AllocatedBytes, FindDamage(record, disk, files));
    }

    private static FragmentDamage FindDamage(TransferRecord record, FragmentFileStatus disk, IFragmentFiles files)
    {
        if (disk.SizeBytes < record.FileBytes) return FragmentDamage.FileTruncated;

        // Blocks that are claimed lie in the file; only an image that is written inside grows with its contents.
        if (record.DestinationFormat is null or DiskFormat.Raw && disk.SizeBytes < record.OffsetBytes) return FragmentDamage.FileTruncated;
        if (record.OffsetBytes < 0 || record.OffsetBytes > record.SizeBytes) return FragmentDamage.DigestsChanged;
        if (record.OffsetBytes == 0) return FragmentDamage.None;
        if (files.Find(record.DigestsPath) is not { IsRegular: true }) return FragmentDamage.DigestsTruncated;
        string? folded;
        try
        {
            using Stream digests = files.OpenRead(record.DigestsPath);
            folded = BlockDigests.Fold(digests, BlockDigests.CountBefore(record.OffsetBytes, record.SizeBytes));
        }
        catch (Exception error) when (error is IOException or MigrationException)
        {
            // What cannot be read is as good as gone: the blocks themselves are compared then.
            return FragmentDamage.DigestsTruncated;
        }

        if (folded is null) return FragmentDamage.DigestsTruncated;
        return string.Equals(folded, record.Digest, StringComparison.OrdinalIgnoreCase) ? FragmentDamage.None : FragmentDamage.DigestsChanged;
    }
}
