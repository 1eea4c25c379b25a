using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>Version 2: caps the whole process by <c>cpu.max</c> (Documentation/admin-guide/cgroup-v2.rst).</summary>
internal sealed class CpuControlGroupV2 : CpuControlGroup
{
    private const string Members = "cgroup.procs";
    private const string Maximum = "cpu.max";
    private const string SubtreeControl = "cgroup.subtree_control";

    private readonly string directory;
    private readonly string home;

    private CpuControlGroupV2(string directory, string home, int cpuCount)
        : base(cpuCount)
    {
        this.directory = directory;
        this.home = home;
    }

    public static CpuControlGroupV2 Create(string directory, string home, int processId, int cpuCount)
    {
        string control = Path.Join(Path.GetDirectoryName(directory), SubtreeControl);
        // Left switched on: another group made meanwhile may rely on it, and without a cap it costs nothing.
        if (!ControlGroupFile.Lists(control, "cpu")) ControlGroupFile.Write(control, "+cpu");
        ControlGroupDirectory.Make(directory);
        var group = new CpuControlGroupV2(directory, home, cpuCount);
        try
        {
            if (ControlGroupFile.TryAddMember(Path.Join(directory, Members), processId)) return group;
            throw new MigrationException(MigrationErrorReason.VmExited, $"Process {processId} ended.");
        }
        catch
        {
            group.Dispose();
            throw;
        }
    }

    public static bool LiftLeftover(string presentGroup)
    {
        if (!Path.GetFileName(presentGroup).StartsWith(NamePrefix, StringComparison.Ordinal)) return false;
        ControlGroupFile.Write(Path.Join(presentGroup, Maximum), Unlimited);
        return true;
    }

    public override void Lift() => ControlGroupFile.Write(Path.Join(directory, Maximum), Unlimited);

    protected override void Dispose(bool disposing) => ControlGroupFile.RemoveGroup(directory, Members, home);

    private protected override void SetQuota(int quotaMicroseconds) => ControlGroupFile.Write(
        Path.Join(directory, Maximum), string.Create(CultureInfo.InvariantCulture, $"{quotaMicroseconds} {PeriodMicroseconds}"));

    private static string Unlimited => string.Create(CultureInfo.InvariantCulture, $"max {PeriodMicroseconds}");
}
