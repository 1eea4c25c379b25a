namespace VmMigration.Cmdlets;

/// <summary>What a VM is doing.</summary>
public enum VmState
{
    /// <summary>Defined, with no memory and no process.</summary>
    Stopped = 1,

    /// <summary>Its vCPUs run.</summary>
    Running = 2,

    /// <summary>Its vCPUs stand still, its memory is kept.</summary>
    Paused = 3,

    /// <summary>Waits for the memory and device state of a migration.</summary>
    Incoming = 4,

    /// <summary>Its process ended by itself, or it is not reachable.</summary>
    Failed = 5,
}
