using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>
/// What the time between the last instruction at the source and the first at the destination was spent on. Parts may overlap.
/// </summary>
public sealed record DowntimeParts
{
    /// <summary>Pausing the vCPUs.</summary>
    public TimeSpan Stop { get; init; }

    /// <summary>Collecting and sending the last pages until the destination had them.</summary>
    public TimeSpan LastPages { get; init; }

    /// <summary>Saving and sending the device state; overlaps with <see cref="LastPages"/>.</summary>
    public TimeSpan DeviceState { get; init; }

    /// <summary>Ending the mirrors of the disks that move with the VM; overlaps with <see cref="LastPages"/>. Zero where none do.</summary>
    public TimeSpan Disks { get; init; }

    /// <summary>Hashing memory on both sides; zero without verification.</summary>
    public TimeSpan Verify { get; init; }

    /// <summary>Loading the device state at the destination.</summary>
    public TimeSpan Load { get; init; }

    /// <summary>The commit: both journals, and the messages between.</summary>
    public TimeSpan Commit { get; init; }

    /// <summary>Starting the vCPUs at the destination.</summary>
    public TimeSpan Resume { get; init; }

    internal static DowntimeParts From(DowntimeBreakdown parts) => new()
    {
        Stop = parts.Stop,
        LastPages = parts.LastPages,
        DeviceState = parts.DeviceState,
        Disks = parts.Disks,
        Verify = parts.Verify,
        Load = parts.Load,
        Commit = parts.Commit,
        Resume = parts.Resume,
    };
}
