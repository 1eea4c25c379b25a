namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>How many write faults a guest can bear between two collections, by what they cost it so far. Reads no clock.</summary>
/// <param name="vcpuCount">Number of vCPUs.</param>
/// <param name="now">When the trace was made.</param>
internal sealed class BearableFaults(int vcpuCount, TimeSpan now)
{
    /// <summary>The share of its time the guest may spend in faults.</summary>
    public const double TimeShare = 0.05;

    // Fewer say little about what one costs.
    private const int FewestFaults = 16;

    private static readonly TimeSpan shortest = TimeSpan.FromMicroseconds(0.2);
    private static readonly TimeSpan longest = TimeSpan.FromMicroseconds(50);

    private TimeSpan last = now;
    private long knownFaults;
    private TimeSpan knownTime;
    private TimeSpan oneFault = TimeSpan.FromMicroseconds(1);

    /// <summary>Says how many of them would have been bearable since the last call.</summary>
    /// <param name="now">The time.</param>
    /// <param name="faults">Faults so far.</param>
    /// <param name="faultTime">Time the vCPUs spent in them so far.</param>
    /// <param name="delayed">Whether they are held back at present: then they say nothing of what they cost by themselves.</param>
    public double Next(TimeSpan now, long faults, TimeSpan faultTime, bool delayed)
    {
        if (!delayed && faults - knownFaults >= FewestFaults)
        {
            TimeSpan mean = (faultTime - knownTime) / (faults - knownFaults);
            oneFault = mean < shortest ? shortest : mean > longest ? longest : mean;
        }

        double bearable = (now - last) * vcpuCount * TimeShare / oneFault;
        (last, knownFaults, knownTime) = (now, faults, faultTime);
        return bearable;
    }
}
