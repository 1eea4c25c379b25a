namespace VmMigration.Engine.Disks;

/// <summary>What the files of a record are.</summary>
internal enum TransferRecordState
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>A transfer writes them, beside where the disk is to lie.</summary>
    Arriving = 1,

    /// <summary>A fragment: nobody writes them.</summary>
    Kept = 2,

    /// <summary>A complete disk that is getting its final name.</summary>
    Completing = 3,

    /// <summary>They are being removed.</summary>
    Removing = 4,
}
