using System.Diagnostics;
using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

/// <summary>Ctrl+C, which PowerShell turns into stopping the pipeline.</summary>
public sealed class StoppedPipelineTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly ModuleSession session = ModuleSession.WithBusyVm();

    public void Dispose() => session.Dispose();

    [Theory]
    [InlineData("Start-VmMigration $vm $b -MaxBytesPerSecond 1MB -Wait")]
    [InlineData("Start-VmMigration $vm $b -MaxBytesPerSecond 1MB | Wait-VmMigration")]
    public async Task Stopping_the_wait_ends_it_at_once_and_the_migration_goes_on(string script)
    {
        using PowerShell shell = session.CreateShell(script);
        IAsyncResult running = shell.BeginInvoke();
        await WaitForProgressAsync();
        long stopped = Stopwatch.GetTimestamp();
        shell.Stop();
        Assert.InRange(Stopwatch.GetElapsedTime(stopped), TimeSpan.Zero, Limit);
        Assert.Throws<PipelineStoppedException>(() => shell.EndInvoke(running));
        Assert.False(session.RunClean("Get-VmMigration $vm").Single<VmMigrationOperation>().HasEnded);
        Assert.Equal(MigrationState.RolledBack, session.RunClean("Stop-VmMigration $vm -PassThru").Single<VmMigrationOperation>().State);
        Assert.Equal(VmState.Running, session.RunClean("Get-MigrationVm $vm").Single<MigrationVm>().State);
    }

    [Fact]
    public void A_later_command_that_has_enough_ends_the_wait()
    {
        session.RunClean("New-MigrationVm quick-$s $a 16MB -StepsPerSecond 10 | Start-MigrationVm");
        // A script block that leaves the loop at the first object, as Select-Object -First does.
        long started = Stopwatch.GetTimestamp();
        session.RunClean("""
            $slow = Start-VmMigration $vm $b -MaxBytesPerSecond 1MB
            $quick = Start-VmMigration quick-$s $b
            foreach ($once in 1) { $quick, $slow | Wait-VmMigration | ForEach-Object { break } }
            """);
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.False(session.RunClean("Get-VmMigration $vm").Single<VmMigrationOperation>().HasEnded);
        session.RunClean("Stop-VmMigration $vm");
    }

    private async Task WaitForProgressAsync()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        while (session.Host.Screen.Progress.Count == 0) await Task.Delay(10, cancellationToken);
    }
}
