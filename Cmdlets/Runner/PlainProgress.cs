using System.Globalization;
using VmMigration.Engine.Runbooks.Execution;
using EngineStepStatus = VmMigration.Engine.Runbooks.Execution.StepStatus;

namespace VmMigration.Runner;

/// <summary>Shows a run as lines of text, for logs and pipes.</summary>
internal sealed class PlainProgress(TextWriter writer) : IProgress<RunbookProgress>
{
    /// <summary>A line of progress for each activity at most this often: a log is read later, and by people.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<(string Step, int? Item, int Activity), DateTimeOffset> shown = [];

    public void Report(RunbookProgress value)
    {
        switch (value.Kind)
        {
            case RunbookProgressKind.StepStarted:
                Write(value.Step!.Id, "started");
                break;
            case RunbookProgressKind.StepActivity when value.Activity!.Warning is { } warning:
                Write(value.Step!.Id, $"warning: {warning}");
                break;
            case RunbookProgressKind.StepActivity:
                ReportActivity(value);
                break;
            case RunbookProgressKind.StepEnded:
                StepResult result = value.Result!;
                Write(result.StepId, result.Status == EngineStepStatus.Skipped
                    ? "skipped"
                    : string.Create(CultureInfo.InvariantCulture, $"{result.Status} after {result.Duration.TotalSeconds:F2} s"));
                break;
        }
    }

    private void ReportActivity(RunbookProgress value)
    {
        StepActivity activity = value.Activity!;
        var key = (value.Step!.Id, value.ItemIndex, activity.ActivityId);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (!activity.IsCompleted && shown.TryGetValue(key, out DateTimeOffset last) && now - last < Interval) return;
        shown[key] = now;
        string percent = activity.PercentComplete is { } known ? $" {known,3} %" : "";
        Write(value.Step.Id, $"{activity.Activity}:{percent} {activity.Status}");
    }

    private void Write(string stepId, string text) =>
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.Now:HH:mm:ss.ff} {stepId}: {text}"));
}
