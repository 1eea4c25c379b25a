using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>Version 1: caps single threads by <c>cpu.cfs_quota_us</c> (Documentation/scheduler/sched-bwc.rst).</summary>
internal sealed class CpuControlGroupV1 : CpuControlGroup
{
    private const string Members = "tasks";
    private const string Quota = "cpu.cfs_quota_us";
    private const string Unlimited = "-1";

    private readonly string directory;
    private readonly Dictionary<int, string> homes;

    private CpuControlGroupV1(string directory, Dictionary<int, string> homes)
        : base(homes.Count)
    {
        this.directory = directory;
        this.homes = homes;
    }

    private string Parent => Path.GetDirectoryName(directory)!;

    public static CpuControlGroupV1 Create(
        string directory, ControlGroupHierarchy hierarchy, int processId, IReadOnlyList<int> threadIds)
    {
        Dictionary<int, string> homes = threadIds.ToDictionary(id => id, id => GroupOf(hierarchy, processId, id));
        ControlGroupDirectory.Make(directory);
        var group = new CpuControlGroupV1(directory, homes);
        try
        {
            ControlGroupFile.Write(
                Path.Join(directory, "cpu.cfs_period_us"), PeriodMicroseconds.ToString(CultureInfo.InvariantCulture));
            foreach (int id in threadIds) ControlGroupFile.TryAddMember(Path.Join(directory, Members), id);
            return group;
        }
        catch
        {
            group.Dispose();
            throw;
        }
    }

    /// <summary>Moves threads out of a group of another engine, to the group it is in, and removes it.</summary>
    public static bool LiftLeftover(ControlGroupHierarchy hierarchy, int processId)
    {
        bool found = false;
        foreach (string task in ThreadDirectories(processId))
        {
            int id = int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture);
            string directory = GroupOf(hierarchy, processId, id);
            if (!Path.GetFileName(directory).StartsWith(NamePrefix, StringComparison.Ordinal)) continue;
            ControlGroupFile.RemoveGroup(directory, Members, Path.GetDirectoryName(directory)!);
            found = true;
        }

        return found;
    }

    public override void Lift() => ControlGroupFile.Write(Path.Join(directory, Quota), Unlimited);

    protected override void Dispose(bool disposing)
    {
        if (!Directory.Exists(directory)) return;
        foreach ((int id, string home) in homes)
        {
            // A home of its own may be gone; the parent of the group always exists and is where the process was.
            string destination = Directory.Exists(home) ? home : Parent;
            ControlGroupFile.TryAddMember(Path.Join(destination, Members), id);
        }

        // What is left are threads that the capped ones have started.
        ControlGroupFile.RemoveGroup(directory, Members, Parent);
    }

    private protected override void SetQuota(int quotaMicroseconds) =>
        ControlGroupFile.Write(Path.Join(directory, Quota), quotaMicroseconds.ToString(CultureInfo.InvariantCulture));

    private static string GroupOf(ControlGroupHierarchy hierarchy, int processId, int threadId) =>
        hierarchy.DirectoryOf(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/task/{threadId}/cgroup"));

    private static string[] ThreadDirectories(int processId)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/task");
        try
        {
            return Directory.GetDirectories(path);
        }
        catch (IOException)
        {
            // ENOENT or ESRCH: the process ended, and its threads left their groups with it.
            return [];
        }
    }
}
