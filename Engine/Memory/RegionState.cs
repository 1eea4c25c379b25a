namespace VmMigration.Engine.Memory;

/// <summary>How a region is traced, and what is known of it.</summary>
/// <param name="Fine">Page by page, by the kernel; otherwise as a whole.</param>
/// <param name="Trust">For how many written passes it was last taken for dense; 0 where it was not found dense.</param>
/// <param name="TrustLeft">How many of them are left.</param>
internal readonly record struct RegionState(bool Fine, byte Trust, byte TrustLeft);
