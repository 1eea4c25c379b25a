namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>The image below an overlay that the engine made for a migration.</summary>
/// <param name="Path">Image file on the host. Nothing may write it while the overlay is in use.</param>
/// <param name="Format">Image format: <c>raw</c> or <c>qcow2</c>.</param>
/// <param name="MergePending">
/// Whether the engine is to write the overlay back into it and remove the overlay: so after the disk has arrived with its VM. Otherwise the
/// overlay stays, for the next migration to go on from.
/// </param>
public sealed record QemuDiskBase(string Path, string Format, bool MergePending = false);
