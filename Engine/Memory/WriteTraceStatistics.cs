namespace VmMigration.Engine.Memory;

/// <summary>What a write trace cost.</summary>
/// <param name="Installs">How often traces were armed, first time included.</param>
/// <param name="InstallTime">Time spent in arming.</param>
public sealed record WriteTraceStatistics(long Installs, TimeSpan InstallTime);
