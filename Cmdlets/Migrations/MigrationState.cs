namespace VmMigration.Cmdlets;

/// <summary>
/// Where a migration stands: <c>Setup → [CopyingDisks] → Precopy → Switchover → [Postcopy] → Completed</c>, or <c>RolledBack</c> from anywhere before the
/// commit.
/// </summary>
public enum MigrationState
{
    /// <summary>The two sides meet; nothing has moved.</summary>
    Setup = 1,

    /// <summary>Memory is copied while the VM runs at the source.</summary>
    Precopy = 2,

    /// <summary>The VM is paused; the rest of its memory and its device state move.</summary>
    Switchover = 3,

    /// <summary>The VM runs at the destination, and only there.</summary>
    Completed = 4,

    /// <summary>The VM runs on at the source (or is as it was before), and only there.</summary>
    RolledBack = 5,

    /// <summary>The commit was sent and its outcome is unknown: both copies are kept, paused.</summary>
    Undecided = 6,

    /// <summary>The VM runs at the destination and waits for what it touches of the pages that are still at the source.</summary>
    Postcopy = 7,

    /// <summary>
    /// The link broke after the VM had resumed: it is paused at the destination, the rest of its memory is kept at the source, and
    /// Resume-VmMigration goes on.
    /// </summary>
    PostcopyPaused = 8,

    /// <summary>Between Setup and Precopy: the VM's disks are copied and mirrored while it runs at the source.</summary>
    CopyingDisks = 9,
}
