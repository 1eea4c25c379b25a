namespace VmMigration.Engine.Disks;

/// <summary>What is to be done with blocks at their source.</summary>
internal enum DiskSendKind
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Read and send.</summary>
    Send = 1,

    /// <summary>They are known to be zeros: say so.</summary>
    Zeros = 2,

    /// <summary>Read, compare with what the destination has, and send where it differs.</summary>
    Compare = 3,

    /// <summary>Read and send once more.</summary>
    Repair = 4,

    /// <summary>They are zeros on both sides: say so.</summary>
    Same = 5,
}
