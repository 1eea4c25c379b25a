namespace VmMigration.Cmdlets;

/// <summary>What runs a VM.</summary>
public enum HypervisorKind
{
    /// <summary>The hypervisor inside this process: deterministic guest programs, nothing to install.</summary>
    Embedded = 1,

    /// <summary>QEMU from the distribution.</summary>
    Qemu = 2,
}
