namespace VmMigration.Performance;

/// <summary>What one migration took.</summary>
/// <param name="BytesPerSecond">Bytes on the wire by the time from its start to the guest's resume.</param>
/// <param name="ProcessorTimePerGigabyte">Processor time of both ends for 10^9 bytes.</param>
/// <param name="Downtime">From the guest's stop to its resume.</param>
internal sealed record LinkRun(double BytesPerSecond, TimeSpan ProcessorTimePerGigabyte, TimeSpan Downtime);
