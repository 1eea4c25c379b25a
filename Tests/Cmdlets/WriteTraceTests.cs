using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class WriteTraceTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void The_last_migration_tells_what_its_trace_cost_and_what_was_written_in_each_pass()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        ScriptOutcome outcome = session.RunClean(
            "$done = Start-VmMigration $vm $b -Wait; $done.Result; Get-WriteTrace $vm; $done | Get-WriteTrace");
        var result = (VmMigrationResult)outcome.Output[0];
        var trace = (VmWriteTrace)outcome.Output[1];
        Assert.Equal((session.VmName, session.HostA, MigrationState.Completed), (trace.VmName, trace.SourceHostName, trace.State));
        Assert.Equal(WriteTraceMechanism.Software, trace.Mechanism);
        Assert.Equal(result.WriteTraceGranularityBytes, trace.GranularityBytes);
        Assert.InRange(trace.Installs, 1, long.MaxValue);
        Assert.Equal((result.TraceInstalls, result.TraceFaults, result.TraceStallTime), (trace.Installs, trace.Faults, trace.StallTime));
        Assert.Equal(result.Passes, trace.Passes.Count);
        Assert.Equal(0, trace.Passes[^1].DirtyBytes);
        Assert.Equal(trace with { Passes = [] }, (VmWriteTrace)outcome.Output[2] with { Passes = [] });
    }

    [Fact]
    public void A_migration_under_way_is_shown_as_it_stands_and_kept_after_it_was_cancelled()
    {
        using ModuleSession session = ModuleSession.WithBusyVm();
        session.RunClean("Start-VmMigration $vm $b -MaxBytesPerSecond 16MB -MaxPasses 1000000 -MinVcpuShare 1");
        VmWriteTrace trace = null!;
        Assert.True(SpinWait.SpinUntil(
            () => (trace = session.RunClean("Get-WriteTrace $vm").Single<VmWriteTrace>()).Passes.Count > 0, Limit), trace.ToString());
        Assert.Equal((MigrationState.Precopy, WriteTraceMechanism.Software), (trace.State, trace.Mechanism));
        Assert.InRange(trace.Installs, 1, long.MaxValue);
        Assert.InRange(trace.Passes[0].DirtyBytes, 1, 64 << 20);
        session.RunClean("Stop-VmMigration $vm");
        VmWriteTrace after = session.RunClean("Get-WriteTrace $vm").Single<VmWriteTrace>();
        Assert.Equal((MigrationState.RolledBack, trace.Mechanism, TimeSpan.Zero), (after.State, after.Mechanism, after.FaultDelay));
    }

    [Fact]
    public void A_VM_that_never_migrated_has_no_trace()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        Assert.Empty(session.RunClean("Get-MigrationVm $vm | Get-WriteTrace").Output);
        Assert.Empty(session.RunClean("Get-WriteTrace *-$s").Output);
        Assert.StartsWith("MigrationNotFound", session.RunFailing("Get-WriteTrace $vm").FullyQualifiedErrorId);
    }

    [Theory]
    [InlineData("Auto", 0)]
    [InlineData("auto", 0)]
    [InlineData("4KB", 4 << 10)]
    [InlineData("65536", 64 << 10)]
    [InlineData("'64KB'", 64 << 10)]
    [InlineData("2MB", 2 << 20)]
    [InlineData("'2 MiB'", 2 << 20)]
    [InlineData("1GB", 1 << 30)]
    [InlineData("(1GB * 1)", 1 << 30)]
    public void The_granularity_is_the_word_Auto_or_a_size(string argument, int bytes)
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        PreflightReport report = session.RunClean($"Test-VmMigration $vm $b -WriteTraceGranularity {argument}").Single<PreflightReport>();
        Assert.Equal(bytes, report.Options.WriteTraceGranularityBytes);
    }

    [Theory]
    [InlineData("fine")]
    [InlineData("4GB")]
    [InlineData("-1")]
    [InlineData("'1.0001KB'")]
    public void What_is_no_granularity_is_refused_with_the_parameter_s_name(string argument)
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        ErrorRecord error = session.RunFailing($"Test-VmMigration $vm $b -WriteTraceGranularity {argument}");
        Assert.Equal("WriteTraceGranularity", Assert.IsType<ParameterBindingException>(error.Exception, exactMatch: false).ParameterName);
        Assert.Contains("Write Auto, or a size", error.Exception.Message);
    }

    [Fact]
    public void A_granularity_that_cannot_be_is_refused_by_the_engine()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        Assert.StartsWith(
            "InvalidArgument", session.RunFailing("Start-VmMigration $vm $b -WriteTraceGranularity 3000").FullyQualifiedErrorId);
    }

    [Fact]
    public void An_embedded_guest_may_arm_the_traces_by_its_vCPUs_and_pay_for_each_fault()
    {
        using ModuleSession session = ModuleSession.WithRunningVm(
            "-MemoryBytes 16MB -VcpuCount 2 -Program HotSetWriter -StepsPerSecond 2000 -TraceArmingVcpus 2 -TraceFaultTime 0.1ms");
        VmWriteTrace trace = session.RunClean("Start-VmMigration $vm $b -VerifyMemory -Wait | Get-WriteTrace").Single<VmWriteTrace>();
        Assert.InRange(trace.Faults, 1, long.MaxValue);
        Assert.InRange(trace.StallTime, trace.Faults * TimeSpan.FromMilliseconds(0.1), TimeSpan.MaxValue);
        Assert.StartsWith(
            "InvalidArgument", session.RunFailing("New-MigrationVm bad-$s $a 16MB -TraceArmingVcpus 2").FullyQualifiedErrorId);
    }

    [Fact]
    public void A_chosen_granularity_is_used()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        Assert.Equal(2 << 20, session.RunClean("(Start-VmMigration $vm $b -WriteTraceGranularity 2MB -VerifyMemory -Wait).Result")
            .Single<VmMigrationResult>().WriteTraceGranularityBytes);
    }

    [Fact]
    public void A_report_keeps_the_ways_and_what_is_given_at_the_start_goes_before_them()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        ScriptOutcome outcome = session.RunClean("""
            $report = Test-VmMigration $vm $b -WriteTraceGranularity 64KB -NoLargePages -Postcopy WhenNotConverging
            $report.Options
            ($report | Start-VmMigration -WriteTraceGranularity 2MB -Wait).Result.WriteTraceGranularityBytes
            """);
        var options = (VmMigrationOptions)outcome.Output[0];
        Assert.Equal(
            (64 << 10, false, PostcopyPolicy.WhenNotConverging),
            (options.WriteTraceGranularityBytes, options.PreserveLargePages, options.Postcopy));
        Assert.Equal(2 << 20, outcome.Output[1]);
    }
}
