using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets;

/// <summary>Runs a runbook: its steps one after another, and those under <c>always</c> in any case.</summary>
/// <remarks>
/// Writes the run with the status, output and time of every step, also where a step failed; the failure is a non-terminating error with
/// the id of the step's own error. Ctrl+C cancels the step under way and still runs the steps under <c>always</c>. With -WhatIf the Get
/// and Test steps run, and every other step is only named; what would come of it is unknown to the steps after it.
/// </remarks>
/// <example>
/// <code>Invoke-MigrationRunbook ./live-migration.yaml -Parameter @{ memory = '1GiB' }</code>
/// <para>Runs a runbook with a parameter.</para>
/// </example>
/// <example>
/// <code>Invoke-MigrationRunbook ./live-migration.yaml -WhatIf</code>
/// <para>Shows what a runbook would do.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Invoke, "MigrationRunbook", SupportsShouldProcess = true)]
[OutputType(typeof(MigrationRunbookRun))]
public sealed class InvokeMigrationRunbookCommand : MigrationRunbookCmdlet
{
    /// <summary>Most time for all steps under <c>always</c> together. The default is 5 minutes.</summary>
    [Parameter]
    [Duration]
    public TimeSpan AlwaysTimeLimit { get; set; } = new RunbookRunOptions().AlwaysTimeLimit;

    /// <summary>Runs the runbook.</summary>
    protected override void ProcessRecord()
    {
        IReadOnlyList<RunbookDiagnostic> diagnostics = Read(bindParameters: true, out Runbook? runbook, out var values);
        foreach (RunbookDiagnostic diagnostic in diagnostics) WriteInvalid(diagnostic);
        if (runbook is null) return;
        bool planOnly = MyInvocation.BoundParameters.TryGetValue("WhatIf", out object? whatIf)
            ? (SwitchParameter)whatIf
            : LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"));
        if (!planOnly && !ShouldProcess(runbook.File, "Run runbook")) return;

        string directory = SessionState.Path.CurrentFileSystemLocation.ProviderPath;
        RunbookRun? run = null;
        Attempt(runbook.File, async (queue, token) =>
        {
            using var invoker = new CmdletStepInvoker(directory);
            var executor = new RunbookExecutor(invoker, new() { PlanOnly = planOnly, AlwaysTimeLimit = AlwaysTimeLimit });
            run = await executor.RunAsync(runbook, values, new RunbookPipelineProgress(this, queue, runbook), token).ConfigureAwait(false);
        });
        if (run is not null) WriteOutcome(run);
    }

    private void WriteOutcome(RunbookRun run)
    {
        MigrationRunbookRun written = MigrationRunbookRun.From(run);
        if (run.Status == Engine.Runbooks.Execution.RunbookRunStatus.Planned) WritePlan(run);
        if (run.Failure is { } failure)
        {
            var cause = new MigrationException(MigrationErrorReason.StepFailed, failure.Message, failure.RecommendedAction);
            WriteError(new(cause, failure.ErrorId, MigrationError.CategoryOf(cause.Reason), written)
            {
                ErrorDetails = new(failure.Message) { RecommendedAction = failure.RecommendedAction ?? "" },
            });
        }

        WriteObject(written);
    }

    // ShouldProcess prints its 'What if' sentence and changes nothing.
    private void WritePlan(RunbookRun run)
    {
        foreach (StepResult step in run.Steps)
        {
            foreach (StepCall call in step.Calls.Where(call => call.Status == StepStatus.Planned))
            {
                string arguments = string.Join(' ', call.Arguments.Select(argument => $"-{argument.Key} {argument.Value}"));
                ShouldProcess($"step '{step.StepId}'", $"{step.Cmdlet} {arguments}".TrimEnd());
            }
        }
    }

    private void WriteInvalid(RunbookDiagnostic diagnostic) => WriteError(MigrationError.ToRecord(
        new MigrationException(MigrationErrorReason.RunbookInvalid,
            $"{diagnostic.File}({diagnostic.Line},{diagnostic.Column}): {diagnostic.Message}", diagnostic.Hint),
        MigrationRunbookDiagnostic.From(diagnostic)));
}
