namespace VmMigration.Engine.Memory;

/// <summary>What page-table population did.</summary>
/// <param name="Pages">4 KiB pages mapped.</param>
/// <param name="Elapsed">Time spent in mapping, summed over threads.</param>
public sealed record PopulationStatistics(long Pages, TimeSpan Elapsed);
