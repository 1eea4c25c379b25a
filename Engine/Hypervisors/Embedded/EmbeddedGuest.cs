using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>What the vCPUs of an embedded VM do. Two VMs of equal guests that ran equally many steps hold equal memory.</summary>
public sealed record EmbeddedGuest
{
    /// <summary>The program every vCPU runs, each in its own share of the memory.</summary>
    public required GuestProgramKind Program { get; init; }

    /// <summary>Seed of the program's random numbers.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// Memory the program writes, in bytes from the start of RAM; 0 means all of it. A multiple of 4096, at least 4096 for each vCPU.
    /// </summary>
    public long WorkingSetBytes { get; init; }

    /// <summary>Most steps a second and vCPU; 0 means as fast as it goes, for an idle guest one step per timer tick.</summary>
    public long StepsPerSecond { get; init; }

    /// <summary>
    /// Steps after which a vCPU halts for good, as at the end of a program; 0 means never. A VM whose vCPUs halted still counts as running.
    /// </summary>
    public long HaltAfterSteps { get; init; }

    /// <summary>Unit in which write traces report, in bytes: a power of two from 4096 to the size of the memory; 0 means 4096.</summary>
    public int WriteTraceGranularityBytes { get; init; }

    /// <summary>Unit of write traces with the default filled in, in bytes.</summary>
    internal int EffectiveGranularityBytes => WriteTraceGranularityBytes == 0 ? GuestMemory.PageSizeBytes : WriteTraceGranularityBytes;

    /// <summary>The working set with the default filled in, in bytes.</summary>
    internal long WorkingSetIn(long memoryBytes) => WorkingSetBytes == 0 ? memoryBytes : WorkingSetBytes;
}
