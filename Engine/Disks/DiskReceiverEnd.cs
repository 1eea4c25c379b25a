namespace VmMigration.Engine.Disks;

/// <summary>How a disk arrived, or why it did not.</summary>
/// <param name="Error">Why it did not; null where it did.</param>
/// <param name="Fragment">What was kept of it; null for nothing.</param>
/// <param name="Digest">What stands for the whole disk, 32 hexadecimal digits; null where it did not arrive.</param>
internal sealed record DiskReceiverEnd(MigrationException? Error, DiskFragment? Fragment, string? Digest);
