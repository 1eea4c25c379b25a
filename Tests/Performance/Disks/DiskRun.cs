namespace VmMigration.Performance.Disks;

/// <summary>What one copy took.</summary>
/// <param name="Total">Until whoever copied said that it was done.</param>
/// <param name="Durable">The same and until the copy was on the storage.</param>
/// <param name="AllocatedBytes">What the copy takes.</param>
/// <param name="ProcessorTime">Of both ends, where they are in this process; null where they are not.</param>
internal sealed record DiskRun(TimeSpan Total, TimeSpan Durable, long AllocatedBytes, TimeSpan? ProcessorTime);
