namespace VmMigration.Engine.Memory;

/// <summary>A write trace as it stands. Serializable.</summary>
/// <param name="Mechanism">How writes are noticed.</param>
/// <param name="GranularityBytes">The unit in which they are reported; the smallest one where it differs over memory.</param>
/// <param name="Statistics">What it cost so far.</param>
/// <param name="FaultDelay">How long a first write is held back at present.</param>
/// <param name="Fallback">Why not what was asked for is used, in a sentence; null where it is.</param>
public sealed record WriteTraceReport(
    WriteTraceMechanism Mechanism, int GranularityBytes, WriteTraceStatistics Statistics, TimeSpan FaultDelay, string? Fallback);
