using Spectre.Console;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;

namespace VmMigration.Runner;

/// <summary>Shows a run on a terminal: one bar for the runbook, and one below it for each thing its cmdlets report on.</summary>
internal sealed class LiveProgress : IProgress<RunbookProgress>
{
    private readonly IAnsiConsole console;
    private readonly ProgressContext context;
    private readonly ProgressTask overall;
    private readonly string name;
    private readonly Dictionary<(string Step, int? Item, int Activity), ProgressTask> bars = [];

    private LiveProgress(IAnsiConsole console, ProgressContext context, Runbook runbook)
    {
        this.console = console;
        this.context = context;
        name = runbook.Metadata.Name;
        overall = context.AddTask(Markup.Escape(name), maxValue: runbook.Steps.Count + runbook.Always.Count);
    }

    /// <summary>Shows the run while it lasts.</summary>
    public static Task<RunbookRun> ShowAsync(
        IAnsiConsole console, Runbook runbook, Func<IProgress<RunbookProgress>, Task<RunbookRun>> start) =>
        console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(),
                new ElapsedTimeColumn())
            .StartAsync(context => start(new LiveProgress(console, context, runbook)));

    public void Report(RunbookProgress value)
    {
        switch (value.Kind)
        {
            case RunbookProgressKind.StepStarted:
                overall.Description = Markup.Escape($"{name}: {value.Step!.Id}");
                break;
            case RunbookProgressKind.StepActivity when value.Activity!.Warning is { } warning:
                console.MarkupLine($"[yellow]{Markup.Escape($"{value.Step!.Id}: {warning}")}[/]");
                break;
            case RunbookProgressKind.StepActivity:
                ShowActivity(value);
                break;
            case RunbookProgressKind.StepEnded:
                overall.Increment(1);
                EndBars(value.Result!);
                break;
            case RunbookProgressKind.RunEnded:
                overall.Description = Markup.Escape($"{name}: {value.Run!.Status}");
                overall.StopTask();
                break;
        }
    }

    private void ShowActivity(RunbookProgress value)
    {
        StepActivity activity = value.Activity!;
        var key = (value.Step!.Id, value.ItemIndex, activity.ActivityId);
        string description = Markup.Escape($"{activity.Activity}\n{activity.Status}");
        if (!bars.TryGetValue(key, out ProgressTask? bar)) bars[key] = bar = context.AddTask(description, maxValue: 100);
        bar.Description = description;
        bar.IsIndeterminate = activity.PercentComplete is null && !activity.IsCompleted;
        if (activity.PercentComplete is { } percent) bar.Value = percent;
        if (activity.IsCompleted) bar.StopTask();
    }

    private void EndBars(StepResult result)
    {
        foreach ((_, ProgressTask bar) in bars.Where(entry => entry.Key.Step == result.StepId && !entry.Value.IsFinished))
        {
            bar.IsIndeterminate = false;
            bar.StopTask();
        }
    }
}
