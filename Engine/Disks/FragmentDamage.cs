namespace VmMigration.Engine.Disks;

/// <summary>How the files of a fragment are not as its record says.</summary>
internal enum FragmentDamage
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>They are as the record says, as far as that shows without reading the disk.</summary>
    None = 1,

    /// <summary>The disk's file is shorter than it was.</summary>
    FileTruncated = 2,

    /// <summary>The digests are missing, unreadable, or fewer than were recorded.</summary>
    DigestsTruncated = 3,

    /// <summary>The digests are others than were recorded, or the record's digest is wrong.</summary>
    DigestsChanged = 4,
}
