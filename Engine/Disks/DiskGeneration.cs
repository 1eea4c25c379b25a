namespace VmMigration.Engine.Disks;

/// <summary>
/// What tells that a file is still the one it was, unwritten (stat(2)). Two that differ say nothing about the contents; two that are equal
/// say that nothing was written in between.
/// </summary>
/// <param name="SizeBytes">Length of the file.</param>
/// <param name="DeviceId">Device number of the file system.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="ModifiedNanoseconds">Last change of the contents, nanoseconds since 1970.</param>
/// <param name="ChangedNanoseconds">Last change of contents or inode, nanoseconds since 1970: unlike the other it cannot be set back.</param>
public sealed record DiskGeneration(long SizeBytes, long DeviceId, long Inode, long ModifiedNanoseconds, long ChangedNanoseconds);
