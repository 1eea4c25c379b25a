namespace VmMigration.Engine.Protocol;

/// <summary>What a connection is for.</summary>
internal enum ConnectionRole : ushort
{
    Invalid = 0,

    /// <summary>The one conversation of a migration.</summary>
    Control = 1,

    /// <summary>Carries pages, source to destination.</summary>
    Data = 2,

    /// <summary>Asks how a migration ended, after its control connection broke.</summary>
    Outcome = 3,

    /// <summary>Takes the conversation of a post-copy up again, after its control connection broke.</summary>
    Recovery = 4,

    /// <summary>The one conversation of a disk transfer.</summary>
    DiskControl = 5,

    /// <summary>Carries blocks of a disk, source to destination.</summary>
    DiskData = 6,

    /// <summary>The conversation about the disks that move with a VM; it comes before the control connection, and stays beside it.</summary>
    VmDisks = 7,

    /// <summary>Carries the bytes of the NBD protocol between the two hypervisors, for one disk.</summary>
    DiskMirror = 8,
}
