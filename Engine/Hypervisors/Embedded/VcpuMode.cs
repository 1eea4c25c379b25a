namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>What a vCPU is told to do.</summary>
internal enum VcpuMode
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Stand still; memory and registers stay as they are.</summary>
    Stand = 1,

    /// <summary>Run the program.</summary>
    Run = 2,

    /// <summary>End the thread.</summary>
    End = 3,
}
