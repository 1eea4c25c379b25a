using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class InvokeMigrationRunbookTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_runbook_migrates_a_VM_and_cleans_up()
    {
        using TemporaryFile runbook = RunbookText.Migration(session.Suffix);
        MigrationRunbookRun run = session.RunClean($"Invoke-MigrationRunbook '{runbook.Path}' -Parameter @{{ steps = 1000 }}").Single<MigrationRunbookRun>();
        Assert.Equal((RunbookRunStatus.Succeeded, "test", runbook.Path), (run.Status, run.Name, run.Path));
        Assert.All(run.Steps, step => Assert.Equal(RunbookStepStatus.Succeeded, step.Status));
        Assert.Equal((session.HostB, true), (run.Outputs["host"], run.Outputs["verified"]));
        Assert.Empty(session.RunClean("Get-MigrationHost \"*-$s\"").Output);
        Assert.Contains(session.Host.Screen.Progress, record => record.Activity == "Runbook test" && record.RecordType == ProgressRecordType.Completed);
        Assert.Contains(session.Host.Screen.Progress, record => record.Activity.StartsWith("Migrating", StringComparison.Ordinal));
    }

    [Fact]
    public void A_failing_step_is_an_error_with_its_own_id_and_the_run_is_still_written()
    {
        using TemporaryFile runbook = RunbookText.Frame($$$"""
            steps:
              - { id: host, run: New-MigrationHost, with: { Name: a-{{{session.Suffix}}} } }
              - { id: start, run: Start-MigrationVm, with: { Name: none-{{{session.Suffix}}} } }
              - { id: after, run: Get-MigrationVm }
            always:
              - { id: close, run: Disconnect-MigrationHost, with: { Name: '${{ steps.host.output.Name }}' } }
            """);
        ScriptOutcome outcome = session.Run($"Invoke-MigrationRunbook '{runbook.Path}'");
        MigrationRunbookRun run = Assert.IsType<MigrationRunbookRun>(Assert.Single(outcome.Output));
        Assert.Equal([RunbookStepStatus.Succeeded, RunbookStepStatus.Failed, RunbookStepStatus.NotRun, RunbookStepStatus.Succeeded],
            run.Steps.Select(step => step.Status));
        ErrorRecord error = Assert.Single(outcome.Errors);
        Assert.StartsWith("VmNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Same(run, error.TargetObject);
        Assert.NotEmpty(error.ErrorDetails.RecommendedAction);
        Assert.Equal("VmNotFound", run.ErrorId);
    }

    [Fact]
    public void WhatIf_says_what_would_be_done_and_does_nothing()
    {
        using TemporaryFile runbook = RunbookText.Migration(session.Suffix);
        session.Host.Screen.TakeText();
        MigrationRunbookRun run = session.RunClean($"Invoke-MigrationRunbook '{runbook.Path}' -WhatIf").Single<MigrationRunbookRun>();
        Assert.Equal(RunbookRunStatus.Planned, run.Status);
        Assert.Empty(session.RunClean("Get-MigrationHost \"*-$s\"").Output);
        string shown = session.Host.Screen.TakeText();
        Assert.Contains($"New-MigrationHost -Name a-{session.Suffix}", shown, StringComparison.Ordinal);
        Assert.Contains("Start-MigrationVm -InputObject <unknown>", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void An_invalid_runbook_gives_an_error_for_each_diagnostic_and_runs_nothing()
    {
        using TemporaryFile runbook = RunbookText.Frame(
            $"steps:\n  - {{ id: a, run: New-MigrationHost, with: {{ Name: a-{session.Suffix} }} }}\n  - {{ id: b, run: Nothing }}\n  - {{ id: c }}");
        ScriptOutcome outcome = session.Run($"Invoke-MigrationRunbook '{runbook.Path}'");
        Assert.Empty(outcome.Output);
        Assert.Equal([(6, 19), (7, 5)], outcome.Errors.Select(error => ((MigrationRunbookDiagnostic)error.TargetObject).Line)
            .Zip(outcome.Errors.Select(error => ((MigrationRunbookDiagnostic)error.TargetObject).Column)));
        Assert.All(outcome.Errors, error => Assert.StartsWith("RunbookInvalid,", error.FullyQualifiedErrorId, StringComparison.Ordinal));
        Assert.Empty(session.RunClean("Get-MigrationHost \"*-$s\"").Output);
    }

    [Fact]
    public void A_parameter_that_does_not_fit_is_refused_before_anything_runs()
    {
        using TemporaryFile runbook = RunbookText.Migration(session.Suffix);
        ErrorRecord error = session.RunFailing($"Invoke-MigrationRunbook '{runbook.Path}' -Parameter @{{ steps = 'many' }}");
        Assert.Equal("WrongType", ((MigrationRunbookDiagnostic)error.TargetObject).Code);
    }

    [Fact]
    public async Task Ctrl_C_cancels_the_step_rolls_back_and_runs_always()
    {
        using TemporaryFile runbook = RunbookText.Migration(session.Suffix, "MaxBytesPerSecond: 1MiB",
            $"  - {{ id: mark, run: New-MigrationHost, if: '${{{{ steps.migrate.status == ''Cancelled'' }}}}', with: {{ Name: c-{session.Suffix} }} }}");
        using PowerShell shell = session.CreateShell($"Invoke-MigrationRunbook '{runbook.Path}'");
        IAsyncResult running = shell.BeginInvoke();
        while (!session.Host.Screen.Progress.Any(record => record.Activity.StartsWith("Migrating", StringComparison.Ordinal)))
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        shell.Stop();
        Assert.Throws<PipelineStoppedException>(() => shell.EndInvoke(running));

        // 'always' closed the two hosts, and only that of its own first step is there.
        Assert.Equal([session.HostC], session.RunClean("Get-MigrationHost \"*-$s\"").All<MigrationHost>().Select(host => host.Name));
    }

    [Fact]
    public void Test_writes_what_is_wrong_or_only_whether()
    {
        using TemporaryFile good = RunbookText.Migration(session.Suffix);
        using TemporaryFile bad = RunbookText.Frame("steps: [{ id: a, run: Get-MigrationVM, with: { Nam: x } }]");
        Assert.Empty(session.RunClean($"Test-MigrationRunbook '{good.Path}'").Output);
        Assert.True(session.RunClean($"Test-MigrationRunbook '{good.Path}' -Quiet").Single<bool>());
        Assert.False(session.RunClean($"Test-MigrationRunbook '{bad.Path}' -Quiet").Single<bool>());
        Assert.False(session.RunClean($"Test-MigrationRunbook '{good.Path}' -Parameter @{{ other = 1 }} -Quiet").Single<bool>());
        MigrationRunbookDiagnostic diagnostic = session.RunClean($"Test-MigrationRunbook '{bad.Path}'").Single<MigrationRunbookDiagnostic>();
        Assert.Equal((4, 48, "UnknownArgument", "Did you mean 'Name'?"), (diagnostic.Line, diagnostic.Column, diagnostic.Code, diagnostic.Hint));
    }
}
