namespace VmMigration.Engine.Memory;

/// <summary>What a write trace cost so far.</summary>
public sealed record WriteTraceStatistics
{
    /// <summary>How often traces were armed, first time included.</summary>
    public long Installs { get; init; }

    /// <summary>Time engine threads spent in arming.</summary>
    public TimeSpan InstallTime { get; init; }

    /// <summary>First writes to armed memory: each interrupted a vCPU once.</summary>
    public long Faults { get; init; }

    /// <summary>
    /// Time vCPUs waited for their faults, delays included, and stood in order to arm where they do that themselves. Measured where the
    /// engine handles the fault; where the kernel does, the number of faults times what one costs on this machine.
    /// </summary>
    public TimeSpan GuestStallTime { get; init; }

    /// <summary>The longest delay faults were held back by, to slow the guest down; zero where they never were.</summary>
    public TimeSpan MaxFaultDelay { get; init; }
}
