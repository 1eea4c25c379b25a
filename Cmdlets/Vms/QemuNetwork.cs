namespace VmMigration.Cmdlets;

/// <summary>How a QEMU guest is connected.</summary>
public enum QemuNetwork
{
    /// <summary>No network card.</summary>
    None = 1,

    /// <summary>A virtio card behind QEMU's user-mode network.</summary>
    User = 2,
}
