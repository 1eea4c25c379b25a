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

    /// <summary>
    /// Unit in which write traces report where a migration names none, in bytes: a power of two from 4096 to the size of the memory; 0
    /// means regions of 2 MiB, refined to pages where few of their pages are written.
    /// </summary>
    public int WriteTraceGranularityBytes { get; init; }

    /// <summary>
    /// How many of the vCPUs arm write traces, each in its part of the memory, and stand meanwhile until the last of them is done, 0 to
    /// <see cref="VmSpecification.VcpuCount"/>. 0 leaves it to a thread of the engine, and no vCPU stands; the number of vCPUs makes the
    /// whole guest stand. For measuring what arming costs a guest; how a VM arms has no effect on what it computes.
    /// </summary>
    public int TraceArmingVcpus { get; init; }

    /// <summary>
    /// Time a first write to traced memory takes the guest at least, from 0 to 1 ms: a fault of a real guest takes some microseconds, one
    /// of this hypervisor less than one.
    /// </summary>
    public TimeSpan TraceFaultTime { get; init; }

    /// <summary>The working set with the default filled in, in bytes.</summary>
    internal long WorkingSetIn(long memoryBytes) => WorkingSetBytes == 0 ? memoryBytes : WorkingSetBytes;
}
