namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>A virtio disk of a QEMU guest.</summary>
/// <param name="Path">Image file on the host.</param>
/// <param name="Format">Image format: <c>raw</c> or <c>qcow2</c>.</param>
/// <param name="ReadOnly">Whether the guest may not write it.</param>
public sealed record QemuDisk(string Path, string Format = "raw", bool ReadOnly = false);
