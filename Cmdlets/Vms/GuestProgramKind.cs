namespace VmMigration.Cmdlets;

/// <summary>The deterministic programs an embedded vCPU can run.</summary>
public enum GuestProgramKind
{
    /// <summary>Counts steps and writes nothing.</summary>
    Idle = 1,

    /// <summary>Writes the working set from start to end, over and over.</summary>
    SequentialWriter = 2,

    /// <summary>Nine of ten writes go to a tenth of the working set.</summary>
    HotSetWriter = 3,

    /// <summary>Reads and writes random places and keeps a running checksum of what it read in a register.</summary>
    Checksum = 4,
}
