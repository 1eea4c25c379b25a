using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>
/// Runs runbooks: the steps one after another until one fails or the run is cancelled, then in any case those under <c>always</c>, each of
/// which is tried whatever became of the others.
/// </summary>
/// <param name="invoker">Runs the cmdlets.</param>
/// <param name="options">How to run.</param>
public sealed class RunbookExecutor(IStepInvoker invoker, RunbookRunOptions options)
{
    /// <summary>Runs a runbook to its end. Failures and cancellation are in the result; the task itself does not fail for them.</summary>
    /// <param name="runbook">The runbook.</param>
    /// <param name="parameters">Its parameters' values, from <see cref="ParameterBinder.Bind"/>.</param>
    /// <param name="progress">Takes events as they happen, one at a time, on any thread.</param>
    /// <param name="cancellationToken">Cancels the step under way and those after it, not those under <c>always</c>.</param>
    public async Task<RunbookRun> RunAsync(
        Runbook runbook, IReadOnlyDictionary<string, object?> parameters, IProgress<RunbookProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(runbook);
        var id = Guid.NewGuid();
        DateTimeOffset startedAt = options.Clock.GetUtcNow();
        long started = options.Clock.GetTimestamp();
        var events = new SerialProgress(progress, id);
        Dictionary<string, StepValue> values = new(StringComparer.OrdinalIgnoreCase);
        var scope = new ExpressionScope(parameters, values, invoker);
        var runner = new StepRunner(invoker, options, events);
        List<StepResult> results = [];

        events.Report(RunbookProgressKind.RunStarted);
        foreach (RunbookStep step in runbook.Steps)
        {
            bool stop = results.Any(result => result.Status is StepStatus.Failed or StepStatus.Cancelled)
                || cancellationToken.IsCancellationRequested;
            StepResult result = stop
                ? StepRunner.NotRun(step, isAlways: false)
                : await runner.RunAsync(step, isAlways: false, scope, cancellationToken).ConfigureAwait(false);
            results.Add(result);
            values[step.Id] = new(result.Output, result.Status.ToString());
        }

        StepFailure? failure = results.FirstOrDefault(result => result.Status == StepStatus.Failed)?.Failure;
        IReadOnlyDictionary<string, object?> outputs = new Dictionary<string, object?>();
        bool cancelled = failure is null && cancellationToken.IsCancellationRequested
            && results.Any(result => result.Status is StepStatus.Cancelled or StepStatus.NotRun);
        if (failure is null && !cancelled) (outputs, failure) = EvaluateOutputs(runbook, scope);

        results.AddRange(await RunAlwaysAsync(runbook, runner, scope, values).ConfigureAwait(false));
        failure ??= results.FirstOrDefault(result => result.IsAlways && result.Failure is not null)?.Failure;
        var run = new RunbookRun
        {
            Id = id,
            Runbook = runbook,
            Status = cancelled ? RunbookRunStatus.Cancelled
                : failure is not null ? RunbookRunStatus.Failed
                : options.PlanOnly ? RunbookRunStatus.Planned
                : RunbookRunStatus.Succeeded,
            StartedAt = startedAt,
            Duration = options.Clock.GetElapsedTime(started),
            Steps = results,
            Outputs = failure is null ? outputs : new Dictionary<string, object?>(),
            Failure = failure,
        };
        events.Report(RunbookProgressKind.RunEnded, run: run);
        return run;
    }

    private async Task<List<StepResult>> RunAlwaysAsync(
        Runbook runbook, StepRunner runner, ExpressionScope scope, Dictionary<string, StepValue> values)
    {
        List<StepResult> results = [];
        using var limit = new CancellationTokenSource(options.AlwaysTimeLimit, options.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, options.AlwaysCancellation);
        foreach (RunbookStep step in runbook.Always)
        {
            StepResult result = linked.IsCancellationRequested
                ? StepRunner.NotRun(step, isAlways: true)
                : await runner.RunAsync(step, isAlways: true, scope, linked.Token).ConfigureAwait(false);
            if (result.Status is StepStatus.Cancelled or StepStatus.NotRun)
            {
                string why = limit.IsCancellationRequested
                    ? $"The steps under 'always' took longer than {options.AlwaysTimeLimit}"
                    : "The steps under 'always' were cancelled";
                result = result with
                {
                    Failure = new("AlwaysIncomplete", $"{why}: '{step.Id}' ({result.Cmdlet}) did not complete.",
                        "Do by hand what that step was to do; Get-MigrationVm and Get-MigrationHost show what is left."),
                };
            }

            results.Add(result);
            values[step.Id] = new(result.Output, result.Status.ToString());
        }

        return results;
    }

    private static (IReadOnlyDictionary<string, object?> Outputs, StepFailure? Failure) EvaluateOutputs(
        Runbook runbook, ExpressionScope scope)
    {
        Dictionary<string, object?> outputs = [];
        try
        {
            foreach ((string name, RunbookValue value) in runbook.Outputs) outputs[name] = ValueEvaluator.Evaluate(value, scope);
            return (outputs, null);
        }
        catch (ExpressionException error)
        {
            return (outputs, StepRunner.Describe(error));
        }
    }
}
