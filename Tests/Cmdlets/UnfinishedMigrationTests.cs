using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>Migrations that do not end by themselves while the test looks at them.</summary>
public sealed class UnfinishedMigrationTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithBusyVm();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Stop_cancels_and_the_VM_runs_on_at_its_source()
    {
        ScriptOutcome outcome = session.RunClean("""
            $started = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB
            Stop-VmMigration $vm -WhatIf
            ($started | Get-VmMigration).HasEnded
            Stop-VmMigration $vm -PassThru
            Get-MigrationVm $vm
            """);
        Assert.Equal(false, outcome.Output[0]);
        var operation = (VmMigrationOperation)outcome.Output[1];
        Assert.Equal((MigrationState.RolledBack, "Cancelled"), (operation.State, operation.ErrorId));
        var vm = (MigrationVm)outcome.Output[2];
        Assert.Equal((session.HostA, VmState.Running), (vm.HostName, vm.State));
        AssertDestinationClearsUp();
    }

    [Fact]
    public void Wait_takes_several_with_one_limit_and_says_which_failed()
    {
        session.RunClean("""
            New-MigrationVm n1-$s $a 16MB -StepsPerSecond 1000 | Start-MigrationVm
            New-MigrationVm n2-$s $a 64MB -Program HotSetWriter -StepsPerSecond 1000000 | Start-MigrationVm
            """);
        ScriptOutcome outcome = session.Run("""
            $fast = Start-VmMigration n1-$s $b -VerifyMemory
            $cancelled = Start-VmMigration n2-$s $b -MaxBytesPerSecond 1MB
            $slow = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB
            Stop-VmMigration -Id $cancelled.Id
            $fast, $cancelled, $slow | Wait-VmMigration -Timeout 3s
            Stop-VmMigration $vm
            """);
        Assert.Equal($"n1-{session.Suffix}", outcome.Single<VmMigrationOperation>().VmName);
        Dictionary<string, ErrorRecord> errors = outcome.Errors.ToDictionary(error => error.FullyQualifiedErrorId.Split(',')[0]);
        Assert.Equal(["Cancelled", "TimedOut"], errors.Keys.Order());
        Assert.Equal($"n2-{session.Suffix}", Assert.IsType<VmMigrationOperation>(errors["Cancelled"].TargetObject).VmName);
        Assert.Equal(session.VmName, Assert.IsType<VmMigrationOperation>(errors["TimedOut"].TargetObject).VmName);
        Assert.Equal(ErrorCategory.OperationTimeout, errors["TimedOut"].CategoryInfo.Category);
        Assert.Contains("Stop-VmMigration", errors["TimedOut"].ErrorDetails.RecommendedAction);
    }

    // The source ends a cancelled migration without waiting for the destination, which clears up when it hears of it.
    private void AssertDestinationClearsUp() => Assert.True(
        SpinWait.SpinUntil(() => session.RunClean("Get-MigrationVm -HostName $b").Output.Count == 0, TimeSpan.FromSeconds(10)),
        "The destination still has the incoming VM.");
}
