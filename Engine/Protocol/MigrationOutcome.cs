namespace VmMigration.Engine.Protocol;

/// <summary>How a migration ended, as its destination's journal says. The numbers are on the wire and never change.</summary>
public enum MigrationOutcome
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>The destination is still deciding.</summary>
    Pending = 1,

    /// <summary>The destination owns the VM; the source must not run it.</summary>
    DestinationOwns = 2,

    /// <summary>The destination never ran the VM and never will; the source owns it.</summary>
    SourceOwns = 3,

    /// <summary>
    /// The destination owns the VM, part of whose memory is still at the source: the source must keep that, and not run the VM.
    /// </summary>
    DestinationReceives = 4,

    /// <summary>
    /// The VM ended at the destination at the moment of its resume: it may have run and written to its disks, or not. The source keeps its
    /// copy until an administrator decides.
    /// </summary>
    Undecided = 5,
}
