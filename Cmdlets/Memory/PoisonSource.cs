namespace VmMigration.Cmdlets;

/// <summary>How a poisoned page was found.</summary>
public enum PoisonSource
{
    /// <summary>The kernel's page table of the VM's process says so.</summary>
    Kernel = 1,

    /// <summary>The hypervisor reported a memory error (QMP's MEMORY_FAILURE).</summary>
    MemoryFailureEvent = 2,

    /// <summary>It could not be read.</summary>
    FailedRead = 3,

    /// <summary>Somebody asked for it, to try what happens.</summary>
    Injected = 4,

    /// <summary>It was poisoned at the host the VM came from.</summary>
    Carried = 5,
}
