using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class JobTests : IDisposable
{
    private readonly ModuleSession session = ModuleSession.WithBusyVm();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_job_ends_with_the_migration_and_receives_the_operation()
    {
        ScriptOutcome outcome = session.RunClean("""
            $job = Start-VmMigration $vm $b -VerifyMemory -AsJob
            $job | Wait-Job -Timeout 60 | ForEach-Object { $_.State.ToString() }
            $job | Receive-Job
            $job | Remove-Job
            """);
        Assert.Equal("Completed", outcome.Output[0]);
        Assert.True(Assert.IsType<VmMigrationOperation>(outcome.Output[1]).Result!.MemoryVerified);
        Assert.Empty(session.RunClean("Get-Job").Output);
    }

    [Fact]
    public void A_job_is_listed_with_its_place_and_progress()
    {
        ScriptOutcome outcome = session.RunClean("""
            $job = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -AsJob
            Get-Job -Id $job.Id | ForEach-Object { $_.Name; $_.Location; $_.PSJobTypeName; $_.State.ToString() }
            $job | Stop-Job
            $job | Remove-Job
            """);
        Assert.Equal([$"Migrate {session.VmName}", session.HostA, "VmMigration", "Running"], outcome.Output);
    }

    [Fact]
    public void Stopping_the_job_cancels_the_migration()
    {
        ScriptOutcome outcome = session.RunClean("""
            $job = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -AsJob
            Stop-Job $job
            $job.State.ToString()
            (Get-VmMigration $vm).State
            (Get-MigrationVm $vm).HostName
            Remove-Job $job
            """);
        Assert.Equal(["Stopped", MigrationState.RolledBack, session.HostA], outcome.Output);
    }

    [Fact]
    public void Removing_the_job_leaves_the_migration_alone()
    {
        ScriptOutcome outcome = session.RunClean("""
            Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -AsJob | Remove-Job -Force
            (Get-VmMigration $vm).VmName
            Stop-VmMigration $vm
            """);
        Assert.Equal([session.VmName], outcome.Output);
    }

    [Fact]
    public void A_failed_migration_is_a_failed_job_with_the_error()
    {
        ScriptOutcome outcome = session.Run("""
            $job = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -AsJob
            Stop-VmMigration $vm
            $null = Wait-Job $job -Timeout 60
            $job.State.ToString()
            Receive-Job $job
            Remove-Job $job
            """);
        Assert.Equal("Failed", outcome.Single<string>());
        ErrorRecord error = Assert.Single(outcome.Errors);
        Assert.StartsWith("Cancelled", error.FullyQualifiedErrorId);
        Assert.Equal(session.VmName, Assert.IsType<VmMigrationOperation>(error.TargetObject).VmName);
    }
}
