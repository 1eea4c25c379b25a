namespace VmMigration.Engine.Migration;

/// <summary>What is known after a pass.</summary>
/// <param name="Pass">Number of the pass that ended, from 1.</param>
/// <param name="SentBytes">Guest memory the pass set out to send.</param>
/// <param name="RemainingBytes">Guest memory written meanwhile, which has to be sent again.</param>
/// <param name="BytesPerSecond">Throughput of the pass.</param>
/// <param name="VcpuShare">Share of its time the guest was held to.</param>
internal readonly record struct ConvergenceMetrics(int Pass, long SentBytes, long RemainingBytes, double BytesPerSecond, double VcpuShare);
