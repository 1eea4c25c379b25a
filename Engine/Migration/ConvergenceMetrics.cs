namespace VmMigration.Engine.Migration;

/// <summary>What is known after a pass.</summary>
/// <param name="Pass">Number of the pass that ended, from 1.</param>
/// <param name="SentBytes">Guest memory the pass set out to send.</param>
/// <param name="RemainingBytes">Guest memory written meanwhile, which has to be sent again.</param>
/// <param name="BytesPerSecond">Throughput of the pass.</param>
/// <param name="VcpuShare">Share of its time the guest was held to.</param>
internal readonly record struct ConvergenceMetrics(int Pass, long SentBytes, long RemainingBytes, double BytesPerSecond, double VcpuShare)
{
    /// <summary>How long the pass took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>First writes to armed memory in the pass.</summary>
    public long Faults { get; init; }

    /// <summary>How long they were held back.</summary>
    public TimeSpan FaultDelay { get; init; }

    /// <summary>Whether the write trace can hold first writes back.</summary>
    public bool CanDelayFaults { get; init; }

    /// <summary>Whether the vCPUs' share of time cannot be cut.</summary>
    public bool CannotCapVcpus { get; init; }
}
