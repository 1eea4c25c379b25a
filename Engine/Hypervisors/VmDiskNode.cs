namespace VmMigration.Engine.Hypervisors;

/// <summary>A disk of a VM, as its hypervisor has it open.</summary>
/// <param name="Name">Name within the VM: <c>disk0</c>, <c>disk1</c>, … in the order of its specification.</param>
/// <param name="Path">Absolute path of the image file the guest reads and writes, which may be an overlay.</param>
/// <param name="VirtualSizeBytes">Size of the disk that the guest sees.</param>
/// <param name="ReadOnly">Whether the guest may not write it.</param>
/// <param name="IsFrozen">Whether the guest writes an overlay that the engine made, so that nothing writes the image below.</param>
/// <param name="Refused">Why it cannot be frozen and mirrored, in a sentence that says what to do; null where it can.</param>
public sealed record VmDiskNode(string Name, string Path, long VirtualSizeBytes, bool ReadOnly, bool IsFrozen, string? Refused);
