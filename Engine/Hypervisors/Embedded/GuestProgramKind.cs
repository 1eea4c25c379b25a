namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>The deterministic programs an embedded vCPU can run.</summary>
public enum GuestProgramKind
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Counts steps and writes nothing; sleeps between its timer ticks, 250 a second, where no other rate is given.</summary>
    Idle = 1,

    /// <summary>Writes the working set from start to end, 8 bytes a step, over and over.</summary>
    SequentialWriter = 2,

    /// <summary>Writes 8 bytes a step at random places; nine of ten writes go to a tenth of the working set.</summary>
    HotSetWriter = 3,

    /// <summary>Each step reads 8 bytes at a random place into a running checksum, and writes 8 bytes made of it at another.</summary>
    Checksum = 4,
}
