namespace VmMigration.Engine.Memory;

/// <summary>What missing pages cost the guest.</summary>
/// <param name="Touches">Pages a vCPU touched before they were there.</param>
/// <param name="StallTime">Time between such touches and the placing, added up.</param>
public sealed record MissingPageStatistics(long Touches, TimeSpan StallTime);
