namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Reports events one at a time, though steps of a forEach run side by side.</summary>
internal sealed class SerialProgress(IProgress<RunbookProgress>? inner, Guid runId)
{
    private readonly Lock reporting = new();

    public void Report(RunbookProgressKind kind, RunbookStep? step = null, StepResult? result = null, RunbookRun? run = null) =>
        Report(new() { Kind = kind, RunId = runId, Step = step, Result = result, Run = run });

    public IProgress<StepActivity> ForCall(RunbookStep step, int? itemIndex) => new CallProgress(this, step, itemIndex);

    private void Report(RunbookProgress progress)
    {
        if (inner is null) return;
        lock (reporting) inner.Report(progress);
    }

    private sealed class CallProgress(SerialProgress owner, RunbookStep step, int? itemIndex) : IProgress<StepActivity>
    {
        public void Report(StepActivity value) => owner.Report(new()
        {
            Kind = RunbookProgressKind.StepActivity,
            RunId = owner.RunId,
            Step = step,
            ItemIndex = itemIndex,
            Activity = value,
        });
    }

    private Guid RunId => runId;
}
