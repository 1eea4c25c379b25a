using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>The agents and the QEMUs of both sides are killed by SIGKILL around the commit; the whole table of states is a soak.</summary>
public class SwitchoverCrashTests
{
    [Fact]
    public Task Whoever_is_killed_around_the_commit_the_guest_runs_once_with_its_memory_whole_or_waits_paused_with_a_way_out() =>
        CrashTable.RunAsync(
            [
                new(new(FrameType.Pages, FromSource: true, Nth: 20), CrashVictim.SourceAgent),
                new(new(FrameType.StateEnd, FromSource: true), CrashVictim.DestinationQemu),
                new(new(FrameType.Ready, FromSource: false), CrashVictim.SourceAgent),
                new(new(FrameType.Grant, FromSource: true), CrashVictim.SourceAgent),
                new(new(FrameType.Grant, FromSource: true), CrashVictim.DestinationAgent),
                new(new(FrameType.Resumed, FromSource: false), CrashVictim.SourceAgent),
                new(new(FrameType.Resumed, FromSource: false), CrashVictim.DestinationAgent),
                new(new(FrameType.Report, FromSource: false), CrashVictim.SourceQemu),
            ], rounds: 1);
}
