using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Runs one step: its condition, its items, its calls. Never fails itself; the result says what happened.</summary>
internal sealed class StepRunner(IStepInvoker invoker, RunbookRunOptions options, SerialProgress events)
{
    public static StepResult NotRun(RunbookStep step, bool isAlways) =>
        new() { StepId = step.Id, Cmdlet = CmdletOf(step).Cmdlet.Name, IsAlways = isAlways, Status = StepStatus.NotRun };

    /// <summary>A value that cannot be had, with its place in the runbook.</summary>
    public static StepFailure Describe(ExpressionException error) => new(error.Code,
        $"Line {error.Location.Line}, column {error.Location.Column}: {error.Message}", error.RecommendedAction);

    public async Task<StepResult> RunAsync(RunbookStep step, bool isAlways, ExpressionScope scope, CancellationToken cancellationToken)
    {
        StepResult result = NotRun(step, isAlways) with { StartedAt = options.Clock.GetUtcNow() };
        long started = options.Clock.GetTimestamp();
        int announced = 0;
        void Announce()
        {
            if (Interlocked.Exchange(ref announced, 1) == 0) events.Report(RunbookProgressKind.StepStarted, step);
        }

        try
        {
            StepCall[] calls = step.ForEach is null
                ? [await RunCallAsync(step, null, scope, Announce, cancellationToken).ConfigureAwait(false)]
                : await RunItemsAsync(step, scope, Announce, cancellationToken).ConfigureAwait(false);
            result = Summarize(result, calls, isList: step.ForEach is not null);
        }
        catch (ExpressionException error)
        {
            result = result with { Status = StepStatus.Failed, Failure = Describe(error) };
        }

        result = result with { Duration = options.Clock.GetElapsedTime(started) };
        events.Report(RunbookProgressKind.StepEnded, step, result);
        return result;
    }

    private static CmdletStep CmdletOf(RunbookStep step) =>
        step as CmdletStep ?? throw new ArgumentException($"A step of type {step.GetType().Name} cannot be run.", nameof(step));

    private async Task<StepCall[]> RunItemsAsync(
        RunbookStep step, ExpressionScope scope, Action announce, CancellationToken cancellationToken)
    {
        IReadOnlyList<object?> items = ValueEvaluator.EvaluateItems(step.ForEach!, scope);
        int throttle = ValueEvaluator.EvaluateThrottle(step.Throttle, scope);
        var calls = new StepCall[items.Count];
        Array.Fill(calls, new StepCall { Status = StepStatus.NotRun });

        // After a failure no further item is started; those under way come to their end, as an operator would let them.
        int next = -1;
        bool failed = false;
        async Task WorkAsync()
        {
            while (!Volatile.Read(ref failed) && !cancellationToken.IsCancellationRequested)
            {
                int index = Interlocked.Increment(ref next);
                if (index >= items.Count) return;
                ExpressionScope inner = scope with { HasItem = true, Item = items[index] };
                calls[index] = await RunCallAsync(step, index, inner, announce, cancellationToken).ConfigureAwait(false);
                if (calls[index].Status == StepStatus.Failed) Volatile.Write(ref failed, true);
            }
        }

        await Task.WhenAll(Enumerable.Range(0, Math.Min(throttle, items.Count)).Select(_ => WorkAsync())).ConfigureAwait(false);
        return calls;
    }

    private async Task<StepCall> RunCallAsync(
        RunbookStep step, int? itemIndex, ExpressionScope scope, Action announce, CancellationToken cancellationToken)
    {
        CmdletStep cmdletStep = CmdletOf(step);
        Dictionary<string, object?> arguments = new(StringComparer.OrdinalIgnoreCase);
        long started = options.Clock.GetTimestamp();
        StepCall Ended(StepStatus status, IReadOnlyList<object?>? outputs = null, StepFailure? failure = null) => new()
        {
            Status = status,
            Arguments = arguments,
            Outputs = outputs ?? [],
            Failure = failure,
            Duration = options.Clock.GetElapsedTime(started),
        };

        try
        {
            bool? condition = step.Condition is null ? true : ValueEvaluator.EvaluateCondition(step.Condition, scope);
            if (condition == false) return Ended(StepStatus.Skipped);
            foreach (StepArgument argument in cmdletStep.Arguments)
            {
                // A value that is null is left out, so that a parameter's own default holds.
                if (ValueEvaluator.Evaluate(argument, scope) is { } value) arguments[argument.Parameter.Name] = value;
            }

            if (options.PlanOnly && (!cmdletStep.Cmdlet.OnlyReads || condition is null || arguments.Values.Any(IsUnknown)))
            {
                return Ended(StepStatus.Planned);
            }

            announce();
            var invocation = new StepInvocation(step.Id, cmdletStep.Cmdlet.Name, arguments);
            IReadOnlyList<object?> outputs = await invoker.InvokeAsync(invocation, events.ForCall(step, itemIndex), cancellationToken)
                .ConfigureAwait(false);
            return Ended(StepStatus.Succeeded, outputs);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return Ended(StepStatus.Cancelled);
        }
        catch (ExpressionException error)
        {
            return Ended(StepStatus.Failed, failure: Describe(error));
        }
        catch (StepFailedException) when (options.PlanOnly)
        {
            // What the step looks for may be what an earlier step would make.
            return Ended(StepStatus.Planned);
        }
        catch (StepFailedException error)
        {
            return Ended(StepStatus.Failed, failure: new(error.ErrorId, error.Message, error.RecommendedAction));
        }
        catch (Exception error)
        {
            // Whatever went wrong in the invoker, 'always' still has to run.
            string? action = (error as MigrationException)?.RecommendedAction;
            return Ended(StepStatus.Failed, failure: new(error.GetType().Name, error.Message, action));
        }
    }

    private static bool IsUnknown(object? value) => value switch
    {
        UnknownValue => true,
        IReadOnlyDictionary<string, object?> map => map.Values.Any(IsUnknown),
        List<object?> list => list.Any(IsUnknown),
        _ => false,
    };

    private static StepResult Summarize(StepResult result, StepCall[] calls, bool isList)
    {
        StepStatus status = calls switch
        {
            _ when calls.Any(call => call.Status == StepStatus.Failed) => StepStatus.Failed,
            _ when calls.Any(call => call.Status is StepStatus.Cancelled or StepStatus.NotRun) => StepStatus.Cancelled,
            _ when calls.Any(call => call.Status == StepStatus.Planned) => StepStatus.Planned,
            _ when calls.Any(call => call.Status == StepStatus.Succeeded) => StepStatus.Succeeded,
            _ => StepStatus.Skipped,
        };
        return result with
        {
            Status = status,
            Calls = calls,
            Output = isList ? calls.Select(OutputOf).ToList() : OutputOf(calls[0]),
            Failure = calls.FirstOrDefault(call => call.Failure is not null)?.Failure,
        };
    }

    private static object? OutputOf(StepCall call) => call switch
    {
        { Status: StepStatus.Planned } => UnknownValue.Instance,
        { Outputs: [] } => null,
        { Outputs: [var single] } => single,
        _ => call.Outputs.ToList(),
    };
}
