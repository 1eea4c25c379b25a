using System.Management.Automation;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Cmdlets;

/// <summary>Shows the events of a run as PowerShell progress: one bar for the run, and the cmdlets' own bars below it.</summary>
internal sealed class RunbookPipelineProgress(PSCmdlet cmdlet, PipelineQueue queue, Runbook runbook) : IProgress<RunbookProgress>
{
    private readonly int stepCount = runbook.Steps.Count + runbook.Always.Count;
    private int stepsEnded;

    /// <inheritdoc/>
    public void Report(RunbookProgress value)
    {
        switch (value.Kind)
        {
            case RunbookProgressKind.StepStarted:
                PostRun(value.RunId, $"{value.Step!.Id} (step {stepsEnded + 1} of {stepCount})", ProgressRecordType.Processing);
                break;
            case RunbookProgressKind.StepActivity:
                PostActivity(value);
                break;
            case RunbookProgressKind.StepEnded:
                stepsEnded++;
                StepResult result = value.Result!;
                queue.Post(() => cmdlet.WriteVerbose($"{result.StepId} ({result.Cmdlet}): {result.Status} after {result.Duration}"));
                break;
            case RunbookProgressKind.RunEnded:
                PostRun(value.RunId, "Ended", ProgressRecordType.Completed);
                break;
        }
    }

    private static int BarOf(Guid runId) => runId.GetHashCode() & int.MaxValue;

    private void PostRun(Guid runId, string status, ProgressRecordType type)
    {
        int percent = 100 * stepsEnded / stepCount;
        queue.Post(() => cmdlet.WriteProgress(new(BarOf(runId), $"Runbook {runbook.Metadata.Name}", status)
        {
            PercentComplete = percent,
            RecordType = type,
        }));
    }

    private void PostActivity(RunbookProgress progress)
    {
        StepActivity activity = progress.Activity!;
        if (activity.Warning is { } warning)
        {
            queue.Post(() => cmdlet.WriteWarning($"{progress.Step!.Id}: {warning}"));
            return;
        }

        queue.Post(() => cmdlet.WriteProgress(new(activity.ActivityId, activity.Activity ?? progress.Step!.Id, activity.Status ?? " ")
        {
            ParentActivityId = BarOf(progress.RunId),
            PercentComplete = activity.PercentComplete ?? -1,
            RecordType = activity.IsCompleted ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        }));
    }
}
