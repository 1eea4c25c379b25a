namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>A virtio disk of a QEMU guest.</summary>
/// <param name="Path">Image file on the host.</param>
/// <param name="Format">Image format: <c>raw</c> or <c>qcow2</c>.</param>
/// <param name="ReadOnly">Whether the guest may not write it.</param>
public sealed record QemuDisk(string Path, string Format = "raw", bool ReadOnly = false)
{
    /// <summary>
    /// The image that <see cref="Path"/> is an overlay of, where a migration with disks made it one; null otherwise. An overlay that no guest
    /// has written yet reads as its base does: the two may be taken for each other until then.
    /// </summary>
    public QemuDiskBase? Base { get; init; }

    /// <summary>
    /// Absolute path of an overlay that has been merged into <see cref="Path"/> and whose file is still to be removed; null for none.
    /// </summary>
    public string? MergedOverlay { get; init; }
}
