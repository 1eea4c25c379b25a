namespace VmMigration.Engine.Hypervisors;

/// <summary>What a saved state holds.</summary>
public enum StateContents
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>vCPU registers and devices; the VM must be paused. RAM travels by the engine.</summary>
    Devices = 1,

    /// <summary>RAM too, in the hypervisor's own format: it iterates while the VM runs and leaves it paused.</summary>
    DevicesAndMemory = 2,
}
