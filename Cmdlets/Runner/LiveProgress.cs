using System.Globalization;
using Spectre.Console;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;
using EngineStepStatus = VmMigration.Engine.Runbooks.Execution.StepStatus;

namespace VmMigration.Runner;

/// <summary>
/// Shows a run on a terminal: a line for each step, and below the one under way a bar for each thing its cmdlet reports on.
/// </summary>
internal sealed class LiveProgress : IProgress<RunbookProgress>
{
    private const int BarWidth = 24;
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly IReadOnlyList<RunbookStep> steps;
    private readonly Dictionary<string, StepResult> ended = [];
    private readonly Dictionary<string, long> started = [];
    private readonly OrderedDictionary<(string Step, int? Item, int Activity), StepActivity> activities = [];
    private readonly List<string> warnings = [];

    internal LiveProgress(Runbook runbook) => steps = [.. runbook.Steps, .. runbook.Always];

    /// <summary>Shows the run while it lasts.</summary>
    public static async Task<RunbookRun> ShowAsync(
        IAnsiConsole console, Runbook runbook, Func<IProgress<RunbookProgress>, Task<RunbookRun>> start)
    {
        var progress = new LiveProgress(runbook);
        Task<RunbookRun> run = start(progress);
        await console.Live(progress.Render()).Overflow(VerticalOverflow.Crop).Cropping(VerticalOverflowCropping.Top)
            .StartAsync(async context =>
            {
                while (!run.IsCompleted)
                {
                    // Also without news the times go on, so that nobody takes a long step for a hang.
                    await Task.WhenAny(run, Task.Delay(RefreshInterval)).ConfigureAwait(false);
                    context.UpdateTarget(progress.Render());
                }
            }).ConfigureAwait(false);
        return await run.ConfigureAwait(false);
    }

    public void Report(RunbookProgress value)
    {
        lock (gate)
        {
            switch (value.Kind)
            {
                case RunbookProgressKind.StepStarted:
                    started[value.Step!.Id] = TimeProvider.System.GetTimestamp();
                    break;
                case RunbookProgressKind.StepActivity when value.Activity!.Warning is { } warning:
                    warnings.Add($"{value.Step!.Id}: {warning}");
                    break;
                case RunbookProgressKind.StepActivity:
                    activities[(value.Step!.Id, value.ItemIndex, value.Activity!.ActivityId)] = value.Activity;
                    break;
                case RunbookProgressKind.StepEnded:
                    ended[value.Result!.StepId] = value.Result;
                    break;
            }
        }
    }

    /// <summary>The picture of this moment.</summary>
    internal Rows Render()
    {
        lock (gate)
        {
            IEnumerable<string> lines = steps.SelectMany(RenderStep)
                .Concat(warnings.Select(warning => $"[yellow]{Markup.Escape(warning)}[/]"));
            return new Rows(lines.Select(line => new Markup(line)));
        }
    }

    private IEnumerable<string> RenderStep(RunbookStep step)
    {
        (string mark, string time) = ended.TryGetValue(step.Id, out StepResult? result)
            ? (MarkOf(result.Status), result.Status == EngineStepStatus.Skipped ? "skipped" : Seconds(result.Duration))
            : started.TryGetValue(step.Id, out long since)
                ? ("[blue]▸[/]", Seconds(TimeProvider.System.GetElapsedTime(since)))
                : ("[grey]·[/]", "");
        yield return $"{mark} {Markup.Escape(step.Id)} [grey]{time}[/]";
        foreach (((string id, _, _), StepActivity activity) in activities)
        {
            if (id != step.Id || (result is not null && activity.PercentComplete is null)) continue;
            yield return $"  {BarOf(activity.PercentComplete)}{Markup.Escape(activity.Activity ?? "")}";
            yield return $"  [grey]{Markup.Escape(activity.Status ?? "")}[/]";
        }
    }

    private static string BarOf(int? percent)
    {
        if (percent is not { } known) return "";
        int filled = BarWidth * Math.Clamp(known, 0, 100) / 100;
        return $"[blue]{new string('━', filled)}[/][grey]{new string('─', BarWidth - filled)}[/] {known,3} %  ";
    }

    private static string MarkOf(EngineStepStatus status) => status switch
    {
        EngineStepStatus.Succeeded => "[green]✓[/]",
        EngineStepStatus.Failed => "[red]✗[/]",
        EngineStepStatus.Cancelled => "[yellow]■[/]",
        _ => "[grey]-[/]",
    };

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F1} s");
}
