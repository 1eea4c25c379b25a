using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>How far a migration has come.</summary>
/// <param name="Pass">Pass under way, from 1; 0 before the first.</param>
/// <param name="PagesDone">Pages of this pass that are done.</param>
/// <param name="PagesInPass">Pages this pass set out with.</param>
/// <param name="BytesSent">Bytes put on the wire so far.</param>
/// <param name="BytesPerSecond">Throughput of late.</param>
/// <param name="DirtyBytesPerSecond">How fast the guest wrote during the last pass; 0 before it is known.</param>
/// <param name="VcpuShare">Share of its time the guest is held to.</param>
public sealed record MigrationProgress(
    int Pass, long PagesDone, long PagesInPass, long BytesSent, double BytesPerSecond, double DirtyBytesPerSecond, double VcpuShare)
{
    /// <summary>The write trace; null before it is armed, and where the hypervisor traces by itself.</summary>
    public WriteTraceReport? WriteTrace { get; init; }

    /// <summary>The passes that have ended, the one under way not included.</summary>
    public IReadOnlyList<PassSummary> Passes { get; init; } = [];

    /// <summary>Pages that are missing at the destination, where the VM runs already; 0 otherwise.</summary>
    public long PagesMissing { get; init; }

    /// <summary>The disks that move with the VM, in the order of its specification; empty where none do.</summary>
    public IReadOnlyList<VmDiskProgress> Disks { get; init; } = [];
}
