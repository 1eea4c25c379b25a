namespace VmMigration.Engine.Migration;

/// <summary>What the time between the last instruction at the source and the first at the destination was spent on. Parts may overlap.</summary>
public sealed record DowntimeBreakdown
{
    /// <summary>From the last instruction until the engine went on, the pass under way at that moment included.</summary>
    public TimeSpan Stop { get; init; }

    /// <summary>Collecting and sending the last pages until the destination had them.</summary>
    public TimeSpan LastPages { get; init; }

    /// <summary>Saving the device state; overlaps with <see cref="LastPages"/> and <see cref="Load"/>.</summary>
    public TimeSpan DeviceState { get; init; }

    /// <summary>Ending the mirrors of the disks that move with the VM; overlaps with <see cref="LastPages"/>. Zero where none do.</summary>
    public TimeSpan Disks { get; init; }

    /// <summary>Hashing memory on both sides; zero without verification.</summary>
    public TimeSpan Verify { get; init; }

    /// <summary>From the destination's last page until its devices were loaded.</summary>
    public TimeSpan Load { get; init; }

    /// <summary>The commit: both journals, and the messages between.</summary>
    public TimeSpan Commit { get; init; }

    /// <summary>Starting the vCPUs at the destination.</summary>
    public TimeSpan Resume { get; init; }
}
