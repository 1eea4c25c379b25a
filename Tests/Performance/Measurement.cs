namespace VmMigration.Performance;

/// <summary>What one migration took: from its start to the guest's resume, and from the guest's stop to its resume.</summary>
internal sealed record Measurement(TimeSpan Total, TimeSpan Downtime, long BytesSent, int Passes, string Detail);
