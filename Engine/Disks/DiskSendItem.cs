namespace VmMigration.Engine.Disks;

/// <summary>What a data connection is to do next.</summary>
/// <param name="Kind">What.</param>
/// <param name="First">The first block.</param>
/// <param name="Count">How many blocks; 1 where they are read.</param>
/// <param name="Expected">The digest of what the destination has there; only where blocks are compared.</param>
internal readonly record struct DiskSendItem(DiskSendKind Kind, long First, long Count, UInt128 Expected = default);
