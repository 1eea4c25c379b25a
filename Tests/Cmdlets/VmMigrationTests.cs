using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class VmMigrationTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithRunningVm();

    public void Dispose() => session.Dispose();

    [Fact]
    public void The_easy_command_moves_a_running_VM_and_reports_the_result()
    {
        VmMigrationOperation operation = session.RunClean("Start-VmMigration $vm -DestinationHost $b -VerifyMemory -Wait")
            .Single<VmMigrationOperation>();
        Assert.Equal(MigrationState.Completed, operation.State);
        Assert.Equal(100, operation.PercentComplete);
        VmMigrationResult result = Assert.IsType<VmMigrationResult>(operation.Result);
        Assert.True(result.MemoryVerified);
        Assert.InRange(result.Downtime, TimeSpan.FromTicks(1), result.TotalTime);
        Assert.Equal(WriteTraceMechanism.Software, result.WriteTraceMechanism);
        Assert.Equal(result.Passes, result.PassDetails.Count);
        MigrationVm vm = session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>();
        Assert.Equal((session.HostB, VmState.Running), (vm.HostName, vm.State));
    }

    [Fact]
    public void A_VM_object_still_means_its_VM_after_the_move()
    {
        ScriptOutcome outcome = session.RunClean("""
            $before = Get-MigrationVm $vm
            $null = $before | Start-VmMigration -DestinationHost (Get-MigrationHost $b) -VerifyMemory -Wait
            ($before | Get-MigrationVm).HostName
            ($before | Suspend-MigrationVm -PassThru).State
            """);
        Assert.Equal([session.HostB, VmState.Paused], outcome.Output);
    }

    [Fact]
    public void Start_returns_a_handle_at_once_that_Get_and_Wait_take()
    {
        ScriptOutcome outcome = session.RunClean("""
            $started = Start-VmMigration $vm $b -VerifyMemory -MaxBytesPerSecond 32MB
            $started
            $started | Get-VmMigration
            $started | Wait-VmMigration -Timeout 60
            Get-VmMigration -Id $started.Id
            """);
        IReadOnlyList<VmMigrationOperation> seen = outcome.All<VmMigrationOperation>();
        Assert.Single(seen.Select(operation => operation.Id).Distinct());
        Assert.False(seen[0].HasEnded);
        Assert.Equal([MigrationState.Completed, MigrationState.Completed], seen.Skip(2).Select(operation => operation.State));
        Assert.NotNull(seen[3].EndedAt);
    }

    [Fact]
    public void Test_reports_and_changes_nothing()
    {
        PreflightReport report = session.RunClean("Test-VmMigration $vm $b -VerifyMemory -Channels 3").Single<PreflightReport>();
        Assert.True(report.CanMigrate);
        Assert.Equal((session.VmName, session.HostA, session.HostB), (report.VmName, report.SourceHostName, report.DestinationHostName));
        Assert.Equal((true, 3), (report.Options.VerifyMemory, report.Options.Channels));
        Assert.Empty(session.RunClean("Get-VmMigration $vm*").Output);
        Assert.Empty(session.RunClean("Get-MigrationVm -HostName $b").Output);
    }

    [Fact]
    public void A_report_starts_what_it_checked_with_its_options()
    {
        VmMigrationOperation operation = session.RunClean(
            "Test-VmMigration $vm $b -VerifyMemory -Channels 3 | Start-VmMigration -Channels 2 -Wait").Single<VmMigrationOperation>();
        Assert.True(operation.Result!.MemoryVerified);
        Assert.Equal(2, operation.Result.Channels);
    }

    [Fact]
    public void Test_names_what_would_go_wrong()
    {
        PreflightReport report = session.RunClean("Suspend-MigrationVm $vm; Test-VmMigration $vm $a").Single<PreflightReport>();
        Assert.False(report.CanMigrate);
        PreflightFinding finding = Assert.Single(report.Findings, finding => finding.Severity == PreflightSeverity.Error);
        Assert.Equal("DifferentHosts", finding.Check);
        Assert.NotEmpty(finding.RecommendedAction!);
    }

    [Fact]
    public void Start_refuses_what_Test_finds_wrong()
    {
        ErrorRecord error = session.RunFailing("Start-VmMigration $vm $a -Wait");
        Assert.Equal("PreflightFailed,VmMigration.Cmdlets.StartVmMigrationCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.InvalidOperation, error.CategoryInfo.Category);
        Assert.Equal("Name another destination host.", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void WhatIf_migrates_nothing()
    {
        Assert.Empty(session.RunClean("Start-VmMigration $vm $b -Wait -WhatIf").Output);
        Assert.Contains($"Live-migrate to {session.HostB}", session.Host.Screen.TakeText());
        Assert.Empty(session.RunClean("Get-VmMigration $vm*").Output);
    }

    [Fact]
    public void An_unknown_destination_is_an_error_and_the_VM_stays()
    {
        ErrorRecord error = session.RunFailing("Start-VmMigration $vm $c");
        Assert.StartsWith("HostNotFound", error.FullyQualifiedErrorId);
        Assert.Equal(session.HostA, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().HostName);
    }

    [Fact]
    public void Wait_and_AsJob_exclude_each_other()
    {
        ErrorRecord error = session.RunFailing("Start-VmMigration $vm $b -Wait -AsJob");
        Assert.StartsWith("InvalidArgument", error.FullyQualifiedErrorId);
        Assert.Empty(session.RunClean("Get-VmMigration $vm*").Output);
    }

    [Fact]
    public void Get_finds_migrations_by_wildcard_by_VM_and_by_id()
    {
        session.RunClean("$script:id = (Start-VmMigration $vm $b -Wait).Id; Start-VmMigration $vm $a -Wait");
        Assert.Equal(2, session.RunClean("Get-VmMigration v?-$s").Output.Count);
        Assert.Equal(2, session.RunClean("Get-MigrationVm $vm | Get-VmMigration").Output.Count);
        Assert.Equal(session.HostB, session.RunClean("Get-VmMigration -Id $id").Single<VmMigrationOperation>().DestinationHostName);
        Assert.StartsWith("MigrationNotFound", session.RunFailing("Get-VmMigration nosuch-$s").FullyQualifiedErrorId);
    }

    [Fact]
    public void A_whole_host_is_emptied_in_one_pipeline()
    {
        session.RunClean("1..3 | ForEach-Object { New-MigrationVm \"e$_-$s\" $a 16MB -StepsPerSecond 1000 } | Start-MigrationVm");
        ScriptOutcome outcome = session.RunClean(
            "Get-MigrationHost $a | Get-MigrationVm | Start-VmMigration -DestinationHost $b -VerifyMemory | Wait-VmMigration -Timeout 2min");
        Assert.Equal(4, outcome.Output.Count);
        Assert.All(outcome.All<VmMigrationOperation>(), operation => Assert.True(operation.Result!.MemoryVerified));
        Assert.Empty(session.RunClean("Get-MigrationVm -HostName $a | Where-Object State -ne Stopped").Output);
    }

    [Fact]
    public void Progress_goes_forward_and_ends()
    {
        session.RunClean("Start-VmMigration $vm $b -MaxBytesPerSecond 32MB -Wait");
        IReadOnlyList<ProgressRecord> progress = session.Host.Screen.Progress;
        Assert.NotEmpty(progress);
        Assert.All(progress, record => Assert.Contains(session.VmName, record.Activity));
        Assert.Equal(progress.Select(record => record.PercentComplete).Order(), progress.Select(record => record.PercentComplete));
        Assert.Equal(ProgressRecordType.Completed, progress[^1].RecordType);
    }
}
