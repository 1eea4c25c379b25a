namespace VmMigration.Cmdlets;

/// <summary>How far a disk that moves with its VM has come.</summary>
public enum VmDiskPhase
{
    /// <summary>Its turn has not come.</summary>
    Waiting = 1,

    /// <summary>What does not change any more is copied; the guest's writes go to an overlay.</summary>
    Copying = 2,

    /// <summary>The overlay is copied, and what the guest writes meanwhile.</summary>
    Mirroring = 3,

    /// <summary>Both sides are equal, and every write goes to both.</summary>
    Mirrored = 4,

    /// <summary>The destination has all of it.</summary>
    Moved = 5,
}
