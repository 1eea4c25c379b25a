using System.Diagnostics;
using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class CpuControlGroupTests
{
    private static readonly string[] MountInfo =
    [
        "22 1 0:20 / /sys rw,nosuid - sysfs sysfs rw",
        "30 22 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory",
        "31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct",
        "32 22 0:28 /docker/x /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ];

    [Fact]
    public void Hierarchies_with_the_cpu_controller_are_found_among_the_mounts()
    {
        Assert.Equal(
            [new("/sys/fs/cgroup/cpu,cpuacct", "/", false), new("/sys/fs/cgroup/unified", "/docker/x", true)],
            ControlGroupHierarchy.Parse(MountInfo));
    }

    [Fact]
    public void Group_of_a_process_is_a_directory_below_the_mount()
    {
        string[] lines = ["5:memory:/elsewhere", "4:cpuacct,cpu:/machine/vm", "0::/docker/x/machine.slice/vm.scope"];
        IReadOnlyList<ControlGroupHierarchy> hierarchies = ControlGroupHierarchy.Parse(MountInfo);
        Assert.Equal("/sys/fs/cgroup/cpu,cpuacct/machine/vm", hierarchies[0].DirectoryFrom(lines));
        Assert.Equal("/sys/fs/cgroup/unified/machine.slice/vm.scope", hierarchies[1].DirectoryFrom(lines));
    }

    [Fact]
    public async Task Cap_slows_a_busy_thread_and_lifting_it_lets_it_run()
    {
        using ForeignProcess busy = StartBusy();
        using CpuControlGroup group = CpuControlGroup.Create(busy.Id, [busy.Id]);
        group.SetShare(0.1);
        double capped = await MeasureShareAsync(busy, TimeSpan.FromSeconds(1.5));
        group.SetShare(1);
        double free = await MeasureShareAsync(busy, TimeSpan.FromSeconds(1.5));
        Assert.InRange(capped, 0.01, 0.16);
        Assert.True(free > 1.5 * capped, $"{free:F2} of a CPU without the cap, {capped:F2} with it.");
    }

    [Fact]
    public void Disposal_moves_the_process_home_and_removes_the_group()
    {
        using ForeignProcess busy = StartBusy();
        ControlGroupHierarchy hierarchy = ControlGroupHierarchy.FindCpu()!;
        string home = hierarchy.DirectoryOf($"/proc/{busy.Id}/cgroup");
        string capped;
        using (CpuControlGroup group = CpuControlGroup.Create(busy.Id, [busy.Id]))
        {
            group.SetShare(0.2);
            capped = hierarchy.DirectoryOf($"/proc/{busy.Id}/cgroup");
            Assert.NotEqual(home, capped);
            Assert.True(Directory.Exists(capped));
        }

        Assert.Equal(home, hierarchy.DirectoryOf($"/proc/{busy.Id}/cgroup"));
        Assert.False(Directory.Exists(capped));
    }

    [Fact]
    public void Group_goes_also_when_the_process_was_killed()
    {
        using ForeignProcess busy = StartBusy();
        string capped;
        using (CpuControlGroup group = CpuControlGroup.Create(busy.Id, [busy.Id]))
        {
            group.SetShare(0.2);
            capped = ControlGroupHierarchy.FindCpu()!.DirectoryOf($"/proc/{busy.Id}/cgroup");
            busy.PidFd.SendSignal(PidFd.SignalKill);
        }

        Assert.False(Directory.Exists(capped));
    }

    [Fact]
    public async Task Cap_of_an_engine_that_was_killed_can_be_lifted_by_the_next()
    {
        using ForeignProcess busy = StartBusy();
        // Never disposed before the lift, as after a kill -9.
        using CpuControlGroup abandoned = CpuControlGroup.Create(busy.Id, [busy.Id]);
        abandoned.SetShare(0.05);
        Assert.True(CpuControlGroup.LiftLeftover(busy.Id));
        Assert.InRange(await MeasureShareAsync(busy, TimeSpan.FromSeconds(1)), 0.1, 1.1);
    }

    [Fact]
    public void A_group_that_somebody_else_removed_fails_as_a_migration_failure_and_is_let_go()
    {
        using ForeignProcess busy = StartBusy();
        ControlGroupHierarchy hierarchy = ControlGroupHierarchy.FindCpu()!;
        string members = hierarchy.IsUnified ? "cgroup.procs" : "tasks";
        string home = hierarchy.DirectoryOf($"/proc/{busy.Id}/cgroup");
        CpuControlGroup group = CpuControlGroup.Create(busy.Id, [busy.Id]);
        ControlGroupFile.RemoveGroup(hierarchy.DirectoryOf($"/proc/{busy.Id}/cgroup"), members, home);

        Assert.ThrowsAny<MigrationException>(() => group.SetShare(0.5));
        group.Dispose();
    }

    [Fact]
    public void Files_of_the_control_group_file_system_that_cannot_be_read_are_migration_failures()
    {
        string missing = Path.Combine(Path.GetTempPath(), $"vmmigration-{Guid.NewGuid():N}");
        Assert.ThrowsAny<MigrationException>(() => ControlGroupFile.ReadLines(Path.Combine(missing, "cgroup.procs")));

        // No control group, and thus without a list of members; then one that is not empty.
        Directory.CreateDirectory(missing);
        try
        {
            Assert.ThrowsAny<MigrationException>(() => ControlGroupFile.RemoveGroup(missing, "tasks", Path.GetTempPath()));
            File.WriteAllText(Path.Combine(missing, "tasks"), "");
            Assert.ThrowsAny<MigrationException>(() => ControlGroupFile.RemoveGroup(missing, "tasks", Path.GetTempPath()));
        }
        finally
        {
            Directory.Delete(missing, recursive: true);
        }

        ControlGroupFile.RemoveGroup(missing, "tasks", Path.GetTempPath());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-0.5)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Share_outside_its_range_is_refused(double share)
    {
        using ForeignProcess busy = StartBusy();
        using CpuControlGroup group = CpuControlGroup.Create(busy.Id, [busy.Id]);
        Assert.Throws<ArgumentOutOfRangeException>(() => group.SetShare(share));
    }

    private static ForeignProcess StartBusy()
    {
        ForeignProcess busy = ForeignProcess.Start("while :; do :; done");
        if (CpuControlGroup.FindObstacle(busy.Id) is { } obstacle)
        {
            busy.Dispose();
            Assert.Skip(obstacle);
        }

        return busy;
    }

    private static async Task<double> MeasureShareAsync(ForeignProcess process, TimeSpan duration)
    {
        TimeSpan before = process.CpuTime;
        long start = Stopwatch.GetTimestamp();
        await Task.Delay(duration, TestContext.Current.CancellationToken);
        return (process.CpuTime - before) / Stopwatch.GetElapsedTime(start);
    }
}
