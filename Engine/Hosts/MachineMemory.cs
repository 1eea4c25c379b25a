using VmMigration.Engine.Hypervisors.Embedded;

namespace VmMigration.Engine.Hosts;

/// <summary>The memory of this machine, within the limit of the process (a container's, for one).</summary>
/// <param name="TotalBytes">What there is.</param>
/// <param name="AvailableBytes">What new VMs could use without anything else being pushed out.</param>
internal readonly record struct MachineMemory(long TotalBytes, long AvailableBytes)
{
    /// <summary>Reads it now: MemAvailable of proc_meminfo(5) on Linux, elsewhere what the runtime knows.</summary>
    public static MachineMemory Read() => new(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, AvailableMemory.ReadBytes());
}
