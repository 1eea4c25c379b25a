using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;
using EngineState = VmMigration.Engine.Migration.MigrationState;

namespace VmMigration.Cmdlets.Tests;

/// <summary>Migrations that stand still because their link broke after the VM had resumed at the destination.</summary>
public sealed class StandstillTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly ModuleSession session = new();
    private ScriptedMigrationHost host = null!;

    public async ValueTask InitializeAsync() => host = await ScriptedMigrationHost.AddAsync(session.HostA, session.VmName);

    public ValueTask DisposeAsync()
    {
        session.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("Wait-VmMigration $vm")]
    [InlineData("Get-VmMigration $vm | Wait-VmMigration -Timeout 1h")]
    public void Waiting_ends_at_once_with_an_error_that_says_how_to_go_on(string script)
    {
        host.MoveTo(EngineState.PostcopyPaused);
        ErrorRecord error = session.RunFailing(script);
        Assert.StartsWith("ConnectionLost,", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ConnectionError, error.CategoryInfo.Category);
        Assert.Equal(MigrationState.PostcopyPaused, Assert.IsType<VmMigrationOperation>(error.TargetObject).State);
        Assert.Contains("to far stands still, and with it the VM: The link broke.", error.ErrorDetails.Message);
        Assert.Contains($"4 MiB of its memory are still on {session.HostA}", error.ErrorDetails.Message);
        Assert.Contains($"Resume-VmMigration {session.VmName}", error.ErrorDetails.RecommendedAction);
        Assert.Equal(ProgressRecordType.Completed, session.Host.Screen.Progress[^1].RecordType);
    }

    [Fact]
    public async Task Waiting_ends_when_the_link_breaks_meanwhile_and_not_before()
    {
        using PowerShell shell = session.CreateShell("Wait-VmMigration $vm");
        Task<PSDataCollection<PSObject>> waiting = shell.InvokeAsync();
        Assert.True(SpinWait.SpinUntil(() => session.Host.Screen.Progress.Count > 0, Limit));
        Assert.False(waiting.IsCompleted);
        Assert.Contains("4 MiB missing there", session.Host.Screen.Progress[0].StatusDescription);
        host.MoveTo(EngineState.PostcopyPaused);
        Assert.Empty(await waiting.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.Single(shell.Streams.Error);
    }

    [Fact]
    public void Resume_takes_it_from_the_error_and_says_so_only_where_asked()
    {
        host.MoveTo(EngineState.PostcopyPaused);
        ScriptOutcome outcome = session.Run(
            "Wait-VmMigration $vm -ErrorVariable failures; $failures.TargetObject | Resume-VmMigration -PassThru");
        Assert.Equal(
            (MigrationState.Postcopy, 1024L),
            (outcome.Single<VmMigrationOperation>().State, outcome.Single<VmMigrationOperation>().PagesMissing));
        Assert.Equal(1, host.Resumes);
        host.MoveTo(EngineState.PostcopyPaused);
        Assert.Empty(session.RunClean("Resume-VmMigration $vm -WhatIf; Resume-VmMigration $vm").Output);
        Assert.Equal(2, host.Resumes);
    }

    [Fact]
    public async Task Resume_waits_for_the_end_where_asked()
    {
        host.MoveTo(EngineState.PostcopyPaused);
        using PowerShell shell = session.CreateShell("Resume-VmMigration $vm -Wait");
        Task<PSDataCollection<PSObject>> waiting = shell.InvokeAsync();
        Assert.True(SpinWait.SpinUntil(() => session.Host.Screen.Progress.Count > 0, Limit));
        Assert.False(waiting.IsCompleted);
        host.MoveTo(EngineState.Completed);
        PSDataCollection<PSObject> output = await waiting.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(MigrationState.Completed, Assert.IsType<VmMigrationOperation>(Assert.Single(output).BaseObject).State);
        Assert.Empty(shell.Streams.Error);
    }

    [Fact]
    public void Resume_by_wildcard_means_only_what_stands_still()
    {
        session.RunClean("Resume-VmMigration vm-*$s");
        Assert.Equal(0, host.Resumes);
        host.MoveTo(EngineState.PostcopyPaused);
        session.RunClean("Resume-VmMigration vm-*$s");
        Assert.Equal(1, host.Resumes);
    }

    [Fact]
    public void A_job_is_blocked_while_it_stands_still_warns_and_runs_on()
    {
        using OperationJob job = StartJob();
        Assert.Equal(JobState.Running, job.JobStateInfo.State);
        host.MoveTo(EngineState.PostcopyPaused);
        AssertBecomes(job, JobState.Blocked);
        Assert.Contains($"Resume-VmMigration {session.VmName}", Assert.Single(job.Warning).Message);
        Assert.True(job.HasMoreData);
        host.MoveTo(EngineState.Postcopy);
        AssertBecomes(job, JobState.Running);
        host.MoveTo(EngineState.Completed);
        AssertBecomes(job, JobState.Completed);
        Assert.Equal(MigrationState.Completed, Assert.IsType<VmMigrationOperation>(Assert.Single(job.Output).BaseObject).State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Stopping_the_job_lets_a_migration_go_that_stands_still(bool standsBefore)
    {
        using OperationJob job = StartJob();
        if (standsBefore) host.MoveTo(EngineState.PostcopyPaused);
        Task stopping = Task.Run(job.StopJob, TestContext.Current.CancellationToken);
        if (!standsBefore) host.MoveTo(EngineState.PostcopyPaused);
        await stopping.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal("InvalidState", Assert.Single(job.Error).FullyQualifiedErrorId);
        Assert.Equal(JobState.Stopped, job.JobStateInfo.State);
        Assert.Equal(EngineState.PostcopyPaused, host.Status.State);
    }

    [Fact]
    public async Task Stopping_the_job_in_post_copy_waits_for_its_end()
    {
        using OperationJob job = StartJob();
        Task stopping = Task.Run(job.StopJob, TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => host.Cancellations > 0, Limit));
        Assert.False(stopping.IsCompleted);
        host.MoveTo(EngineState.Completed);
        await stopping.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(JobState.Completed, job.JobStateInfo.State);
    }

    [Theory]
    [InlineData(EngineState.PostcopyPaused)]
    [InlineData(EngineState.Completed)]
    public async Task A_cancellation_in_post_copy_is_refused_and_waits_until_that_ends_or_stands_still(EngineState end)
    {
        Task<Engine.MigrationException?> ending = OperationCancellation.EndAsync(
            new LocatedMigration(host, host.Status), TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => host.Cancellations > 0, Limit));
        Assert.False(ending.IsCompleted);
        host.MoveTo(end);
        Assert.NotNull(await ending.WaitAsync(Limit, TestContext.Current.CancellationToken));
    }

    private static void AssertBecomes(Job job, JobState state) =>
        Assert.True(SpinWait.SpinUntil(() => job.JobStateInfo.State == state, Limit), $"The job is {job.JobStateInfo.State}.");

    private OperationJob StartJob()
    {
        var job = new OperationJob("Start-VmMigration", new LocatedMigration(host, host.Status));
        job.Start();
        return job;
    }
}
