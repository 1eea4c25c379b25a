namespace VmMigration.Cmdlets;

/// <summary>What executes the instructions of a QEMU guest.</summary>
public enum QemuAccelerator
{
    /// <summary>KVM where a trial shows hardware behind it, else TCG.</summary>
    Auto = 1,

    /// <summary>The kernel's virtual machine monitor.</summary>
    Kvm = 2,

    /// <summary>QEMU's translator: works everywhere, slowly.</summary>
    Tcg = 3,
}
