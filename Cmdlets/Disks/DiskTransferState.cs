namespace VmMigration.Cmdlets;

/// <summary>
/// Where a disk transfer stands: <c>Setup → Transferring → Verifying → Completed</c>, or <c>Failed</c> or <c>Cancelled</c> from anywhere before
/// that.
/// </summary>
public enum DiskTransferState
{
    /// <summary>The connections are being opened.</summary>
    Setup = 1,

    /// <summary>Blocks are compared and sent.</summary>
    Transferring = 2,

    /// <summary>Suspend-DiskTransfer suspended it: the connections stay, nothing is sent until Resume-DiskTransfer.</summary>
    Suspended = 3,

    /// <summary>All is sent; the destination reads what earlier transfers left, and makes the file durable.</summary>
    Verifying = 4,

    /// <summary>The destination has the disk under its final name.</summary>
    Completed = 5,

    /// <summary>It ended early; what has arrived is a fragment at the destination.</summary>
    Failed = 6,

    /// <summary>Somebody stopped it; what has arrived is a fragment at the destination.</summary>
    Cancelled = 7,
}
