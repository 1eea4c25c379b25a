namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>How a QEMU guest is connected.</summary>
public enum QemuNetwork
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>No network card.</summary>
    None = 1,

    /// <summary>A virtio card behind QEMU's user-mode network.</summary>
    User = 2,
}
