using VmMigration.Engine.Memory;

namespace VmMigration.Performance;

/// <summary>What the guest's loop managed while its writes were traced, and what tracing reported and cost.</summary>
internal sealed record TraceMeasurement(
    double StoresPerSecond, double FaultsPerPass, double DirtyBytesPerPass, double StallShare, WriteTraceMechanism? Mechanism);
