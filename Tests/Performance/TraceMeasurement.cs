using VmMigration.Engine.Memory;

namespace VmMigration.Performance;

/// <summary>What the guest's loop managed while its writes were traced, and what tracing reported and cost.</summary>
/// <param name="StoresPerSecond">By the clock; on a machine that does other things too, mostly a measure of those.</param>
/// <param name="StoresPerBusySecond">
/// By the time QEMU's threads ran or the guest waited in faults: what is left of the noise is the caches'.
/// </param>
/// <param name="FaultsPerPass">First writes between two collections.</param>
/// <param name="DirtyBytesPerPass">Bytes reported as written.</param>
/// <param name="StallShare">Share of the time that the guest waited in faults.</param>
/// <param name="Mechanism">How writes were noticed; null where they were not.</param>
internal sealed record TraceMeasurement(
    double StoresPerSecond, double StoresPerBusySecond, double FaultsPerPass, double DirtyBytesPerPass, double StallShare,
    WriteTraceMechanism? Mechanism);
