namespace VmMigration.Engine;

/// <summary>Why an operation failed. Cmdlets turn it into an error id, a category and a recommended action.</summary>
public enum MigrationErrorReason
{
    /// <summary>Never used; a zero on the wire is a protocol error.</summary>
    Invalid = 0,

    /// <summary>The request itself is wrong: a value out of its range, or values that exclude each other.</summary>
    InvalidArgument = 1,

    /// <summary>No VM of that name or id exists on the host.</summary>
    VmNotFound = 2,

    /// <summary>A VM of that name or id exists on the host already.</summary>
    VmAlreadyExists = 3,

    /// <summary>The VM or the migration is in a state that does not allow the operation.</summary>
    InvalidState = 4,

    /// <summary>No host of that name is known.</summary>
    HostNotFound = 5,

    /// <summary>No migration of that id is known.</summary>
    MigrationNotFound = 6,

    /// <summary>A program, a kernel feature or a file that the operation needs is missing on this machine.</summary>
    PrerequisiteMissing = 7,

    /// <summary>The kernel or the file system refused for want of rights.</summary>
    AccessDenied = 8,

    /// <summary>Memory or the file system that holds guest RAM is full.</summary>
    OutOfSpace = 9,

    /// <summary>The connection to the other host broke or timed out.</summary>
    ConnectionLost = 10,

    /// <summary>The other side sent something the protocol does not allow.</summary>
    ProtocolViolation = 11,

    /// <summary>The two sides speak no common protocol version.</summary>
    VersionMismatch = 12,

    /// <summary>The ticket presented on a connection is unknown, used up or expired.</summary>
    TicketRefused = 13,

    /// <summary>Source and destination memory differ after the last pass.</summary>
    MemoryMismatch = 14,

    /// <summary>The guest writes memory faster than the link carries it, within the allowed limits.</summary>
    NotConverging = 15,

    /// <summary>The virtual machine's process ended or stopped answering.</summary>
    VmExited = 16,

    /// <summary>The hypervisor refused a command.</summary>
    HypervisorFailed = 17,

    /// <summary>The destination reported a failure of its own.</summary>
    DestinationFailed = 18,

    /// <summary>The operation did not finish in its time limit.</summary>
    TimedOut = 19,

    /// <summary>Somebody cancelled the operation.</summary>
    Cancelled = 20,

    /// <summary>It cannot be decided which side owns the VM; both copies are kept paused.</summary>
    Undecided = 21,

    /// <summary>A runbook does not parse or does not validate.</summary>
    RunbookInvalid = 22,

    /// <summary>A step of a runbook failed.</summary>
    StepFailed = 23,

    /// <summary>A system call failed in a way that names no other reason.</summary>
    SystemCallFailed = 24,

    /// <summary>The preflight check found an error.</summary>
    PreflightFailed = 25,

    /// <summary>
    /// The hosts demand different protection of the connections between them, or the one that answers is not the one that was meant.
    /// </summary>
    LinkRefused = 26,

    /// <summary>The agent of a host failed in a way that it did not expect; its log says how.</summary>
    AgentFailed = 27,

    /// <summary>No disk image has that path on the host.</summary>
    DiskNotFound = 28,

    /// <summary>A process is writing the disk image.</summary>
    DiskInUse = 29,

    /// <summary>The disk image is in a format that is not handled, or its header is damaged.</summary>
    DiskFormatUnsupported = 30,

    /// <summary>The disk image was written while it was copied.</summary>
    DiskChanged = 31,

    /// <summary>What arrived of a disk is not what was sent, and sending it again did not help.</summary>
    DiskMismatch = 32,

    /// <summary>No disk transfer of that id is known.</summary>
    DiskTransferNotFound = 33,

    /// <summary>No disk fragment of that id is known.</summary>
    DiskFragmentNotFound = 34,
}
