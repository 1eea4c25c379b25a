namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>What the vCPUs of an embedded VM do. Two VMs of equal guests that ran equally many steps hold equal memory.</summary>
public sealed record EmbeddedGuest
{
    /// <summary>The program every vCPU runs, each in its own share of the memory.</summary>
    public required GuestProgramKind Program { get; init; }

    /// <summary>Seed of the program's random numbers.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Memory the program writes, in bytes from the start of RAM; 0 means all of it.</summary>
    public long WorkingSetBytes { get; init; }

    /// <summary>Most steps a second and vCPU; 0 means as fast as it goes.</summary>
    public long StepsPerSecond { get; init; }
}
