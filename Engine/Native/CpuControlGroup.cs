using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>
/// A cap on the CPU time of a VM's process by a control group of its own (cgroups(7)): of its vCPU threads where version 1 is mounted,
/// of the whole process under version 2. Disposal moves everything back and removes the group.
/// </summary>
public abstract class CpuControlGroup : IDisposable
{
    internal const string NamePrefix = "vmmigration-";

    // A short period lets a held guest stutter by a few milliseconds instead of by the kernel's usual hundred.
    internal const int PeriodMicroseconds = 20_000;

    // The kernel refuses less.
    private const int LeastQuotaMicroseconds = 1_000;

    private readonly int cpuCount;

    private protected CpuControlGroup(int cpuCount) => this.cpuCount = cpuCount;

    /// <summary>Reports why CPU time cannot be capped here, in a sentence; null where it can.</summary>
    /// <param name="processId">The process that would be capped.</param>
    public static string? FindObstacle(int processId)
    {
        if (ControlGroupHierarchy.FindCpu() is not { } hierarchy)
        {
            return "No control group hierarchy with the cpu controller is mounted.";
        }

        string parent = ParentFor(hierarchy, processId);
        if (FileAccessCheck.IsWritable(parent)) return null;
        return $"The control group {parent} may not be changed: run as root, or have it delegated.";
    }

    /// <summary>Makes a group beside or below the one the process is in, and moves the threads or the process into it, uncapped.</summary>
    /// <param name="processId">The VM's process.</param>
    /// <param name="threadIds">Its vCPU threads; their number is the number of CPUs that a share counts from.</param>
    /// <exception cref="MigrationException">Where no hierarchy has the cpu controller, or the group cannot be made.</exception>
    public static CpuControlGroup Create(int processId, IReadOnlyList<int> threadIds)
    {
        ArgumentOutOfRangeException.ThrowIfZero(threadIds.Count, nameof(threadIds));
        ControlGroupHierarchy hierarchy = ControlGroupHierarchy.FindCpu() ?? throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, "No control group hierarchy with the cpu controller is mounted.",
            "Mount the cgroup2 file system.");
        LiftLeftover(processId);
        string name = string.Create(CultureInfo.InvariantCulture, $"{NamePrefix}{processId}-{Guid.NewGuid():N}");
        string directory = Path.Join(ParentFor(hierarchy, processId), name);
        return hierarchy.IsUnified
            ? CpuControlGroupV2.Create(directory, GroupOf(hierarchy, processId), processId, threadIds.Count)
            : CpuControlGroupV1.Create(directory, hierarchy, processId, threadIds);
    }

    /// <summary>
    /// Takes the cap off a process that an engine left behind when it was killed. Under version 2 the process stays in the uncapped
    /// group, because its place before is no longer known.
    /// </summary>
    /// <param name="processId">The process.</param>
    /// <returns>Whether there was such a cap.</returns>
    public static bool LiftLeftover(int processId)
    {
        if (ControlGroupHierarchy.FindCpu() is not { } hierarchy) return false;
        return hierarchy.IsUnified
            ? CpuControlGroupV2.LiftLeftover(GroupOf(hierarchy, processId))
            : CpuControlGroupV1.LiftLeftover(hierarchy, processId);
    }

    /// <summary>Caps the CPU time.</summary>
    /// <param name="share">Share of one CPU for each vCPU thread, above 0 to 1; 1 lifts the cap.</param>
    public void SetShare(double share)
    {
        if (share is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(share), share, "A share is above 0 and at most 1.");
        if (share == 1)
        {
            Lift();
            return;
        }

        double quota = share * cpuCount * PeriodMicroseconds;
        SetQuota(Math.Max(LeastQuotaMicroseconds, (int)Math.Round(quota)));
    }

    /// <summary>Takes the cap off; the group stays.</summary>
    public abstract void Lift();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Takes the cap off, moves the members back and removes the group.</summary>
    /// <exception cref="MigrationException">Where the group cannot be removed.</exception>
    protected abstract void Dispose(bool disposing);

    private protected abstract void SetQuota(int quotaMicroseconds);

    private static string GroupOf(ControlGroupHierarchy hierarchy, int processId) =>
        hierarchy.DirectoryOf(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/cgroup"));

    /// <summary>
    /// The group to make the new one in. Version 2 allows processes only in groups without controllers for their children, so there it
    /// goes beside the present one.
    /// </summary>
    private static string ParentFor(ControlGroupHierarchy hierarchy, int processId)
    {
        string present = GroupOf(hierarchy, processId);
        return hierarchy.IsUnified && present != hierarchy.MountPoint ? Path.GetDirectoryName(present)! : present;
    }
}
