using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Execution;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

public sealed class RunbookExecutorTests
{
    private static CancellationToken TestCancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Steps_run_one_after_another_and_hand_on_their_outputs()
    {
        var invoker = new RecordingInvoker
        {
            Answer = (call, _) => Task.FromResult<IReadOnlyList<object?>>(call.StepId == "make" ? [new { Name = "web01", Size = 7 }] : []),
        };
        RunbookRun run = await RunAsync(invoker, """
            steps:
              - { id: make, run: New-Thing, with: { Name: a, MemoryBytes: "${{ parameters.memory }}" } }
              - { id: use, run: New-Thing, with: { Name: 'x-${{ steps.make.output.Name }}', Vm: '${{ steps.make.output }}', MemoryBytes: '${{ steps.make.output.Size }}' } }
            outputs: { name: '${{ steps.make.output.Name }}', empty: '${{ steps.use.output }}', state: '${{ steps.use.status }}' }
            parameters: { memory: { type: size, default: 2MiB } }
            """);
        Assert.Equal(RunbookRunStatus.Succeeded, run.Status);
        Assert.Equal(["make", "use"], invoker.StepIds);
        StepInvocation[] calls = [.. invoker.Calls];
        Assert.Equal(2L << 20, calls[0].Arguments["MemoryBytes"]);
        Assert.Equal("x-web01", calls[1].Arguments["Name"]);
        Assert.Equal(7, calls[1].Arguments["MemoryBytes"]);
        Assert.Same(run.Steps[0].Output, calls[1].Arguments["Vm"]);
        Assert.Equal(("web01", null, "Succeeded"), (run.Outputs["name"], run.Outputs["empty"], run.Outputs["state"]));
    }

    [Fact]
    public async Task A_step_whose_condition_is_false_is_skipped_and_has_no_output()
    {
        var invoker = new RecordingInvoker();
        RunbookRun run = await RunAsync(invoker, """
            parameters: { on: { type: bool, default: false } }
            steps:
              - { id: a, run: Get-Thing, if: '${{ parameters.on }}' }
              - { id: b, run: Get-Thing, if: '${{ steps.a.output == null && steps.a.status == ''Skipped'' }}' }
              - { id: c, run: Get-Thing, if: false }
            """);
        Assert.Equal([StepStatus.Skipped, StepStatus.Succeeded, StepStatus.Skipped], run.Steps.Select(step => step.Status));
        Assert.Equal(["b"], invoker.StepIds);
        Assert.Equal(RunbookRunStatus.Succeeded, run.Status);
    }

    [Fact]
    public async Task Text_from_an_expression_is_converted_like_text_from_the_runbook_and_never_evaluated()
    {
        var invoker = new RecordingInvoker();
        Dictionary<string, object?> given = new() { ["text"] = "1GiB", ["evil"] = "${{ parameters.text }}; Remove-Thing" };
        RunbookRun run = await RunAsync(invoker, """
            parameters: { text: { type: string }, evil: { type: string } }
            steps:
              - { id: a, run: New-Thing, with: { Name: '${{ parameters.evil }}', MemoryBytes: '${{ parameters.text }}' } }
              - { id: b, run: New-Thing, with: { Name: b, Timeout: '${{ parameters.text }}' } }
            """, given);
        StepInvocation call = Assert.Single(invoker.Calls);
        Assert.Equal(("${{ parameters.text }}; Remove-Thing", 1L << 30), (call.Arguments["Name"], call.Arguments["MemoryBytes"]));
        Assert.Equal("WrongType", run.Steps[1].Failure!.ErrorId);
        Assert.Contains("Line 7, column", run.Failure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForEach_keeps_to_its_throttle_and_keeps_the_order_of_its_outputs()
    {
        var reached = new TaskCompletionSource();
        int started = 0;
        var invoker = new RecordingInvoker
        {
            Answer = async (call, token) =>
            {
                if (Interlocked.Increment(ref started) == 3) reached.SetResult();

                // Nobody goes on before three are under way: with a lower bound than 3 this would never end.
                await reached.Task.WaitAsync(TimeSpan.FromSeconds(30), token);
                return [$"<{call.Arguments["Name"]}>"];
            },
        };
        RunbookRun run = await RunAsync(invoker, """
            steps:
              - { id: a, run: Get-Thing, forEach: [1, 2, 3, 4, 5, 6, 7, 8], throttle: 3, with: { Name: 'n${{ item }}' } }
            """);
        Assert.Equal(3, invoker.MostAtOnce);
        Assert.Equal(Enumerable.Range(1, 8).Select(number => (object)$"<n{number}>"), Assert.IsType<List<object?>>(run.Steps[0].Output));
        Assert.All(run.Steps[0].Calls, call => Assert.Equal(StepStatus.Succeeded, call.Status));
    }

    [Fact]
    public async Task ForEach_without_a_throttle_runs_one_item_at_a_time_and_skips_items_by_condition()
    {
        var invoker = new RecordingInvoker { Answer = async (_, _) => { await Task.Yield(); return []; } };
        RunbookRun run = await RunAsync(invoker, """
            steps:
              - id: a
                run: Get-Thing
                forEach: [{ Name: x, On: true }, { Name: y, On: false }, { Name: z, On: true }]
                if: ${{ item.On }}
                with: { Name: '${{ item.Name }}' }
            """);
        Assert.Equal(1, invoker.MostAtOnce);
        Assert.Equal(["x", "z"], invoker.Calls.Select(call => call.Arguments["Name"]));
        Assert.Equal([StepStatus.Succeeded, StepStatus.Skipped, StepStatus.Succeeded], run.Steps[0].Calls.Select(call => call.Status));
    }

    [Fact]
    public async Task After_a_failed_item_no_further_item_is_started()
    {
        var invoker = new RecordingInvoker
        {
            Answer = (call, _) => "2".Equals(call.Arguments["Name"])
                ? throw new StepFailedException("VmNotFound", "No VM '2'.", "Name another.")
                : Task.FromResult<IReadOnlyList<object?>>([]),
        };
        RunbookRun run = await RunAsync(invoker, "steps: [{ id: a, run: Get-Thing, forEach: ['1', '2', '3'], with: { Name: '${{ item }}' } }]");
        Assert.Equal([StepStatus.Succeeded, StepStatus.Failed, StepStatus.NotRun], run.Steps[0].Calls.Select(call => call.Status));
        Assert.Equal(new StepFailure("VmNotFound", "No VM '2'.", "Name another."), run.Failure);
    }

    [Fact]
    public async Task Always_runs_after_a_failure_and_each_of_its_steps_is_tried()
    {
        var invoker = new RecordingInvoker
        {
            Answer = (call, _) => call.StepId is "bad" or "clean1"
                ? throw new StepFailedException("E-" + call.StepId, "broken", null)
                : Task.FromResult<IReadOnlyList<object?>>([]),
        };
        RunbookRun run = await RunAsync(invoker, """
            steps:
              - { id: bad, run: Get-Thing }
              - { id: after, run: Get-Thing }
            always:
              - { id: clean1, run: Remove-Thing }
              - { id: clean2, run: Remove-Thing, if: '${{ steps.bad.status == ''Failed'' && steps.after.status == ''NotRun'' }}' }
            """);
        Assert.Equal(["bad", "clean1", "clean2"], invoker.StepIds);
        Assert.Equal([StepStatus.Failed, StepStatus.NotRun, StepStatus.Failed, StepStatus.Succeeded], run.Steps.Select(step => step.Status));
        Assert.Equal((RunbookRunStatus.Failed, "E-bad"), (run.Status, run.Failure!.ErrorId));
    }

    [Fact]
    public async Task A_failure_under_always_alone_fails_the_run()
    {
        var invoker = new RecordingInvoker
        {
            Answer = (call, _) => call.StepId == "clean" ? throw new InvalidOperationException("surprise") : Task.FromResult<IReadOnlyList<object?>>([]),
        };
        RunbookRun run = await RunAsync(invoker, "steps: [{ id: a, run: Get-Thing }]\nalways: [{ id: clean, run: Remove-Thing }]");
        Assert.Equal((RunbookRunStatus.Failed, "surprise"), (run.Status, run.Failure!.Message));
    }

    [Fact]
    public async Task Always_runs_after_cancellation_with_a_token_of_its_own()
    {
        using var cancel = new CancellationTokenSource();
        var invoker = new RecordingInvoker
        {
            Answer = async (call, token) =>
            {
                if (call.StepId == "clean")
                {
                    Assert.False(token.IsCancellationRequested);
                    return [];
                }

                await cancel.CancelAsync();
                await Task.Delay(Timeout.Infinite, token);
                return [];
            },
        };
        RunbookRun run = await RunAsync(invoker, """
            steps: [{ id: a, run: Get-Thing }, { id: b, run: Get-Thing }]
            always: [{ id: clean, run: Remove-Thing }]
            """, cancellation: cancel.Token);
        Assert.Equal(["a", "clean"], invoker.StepIds);
        Assert.Equal([StepStatus.Cancelled, StepStatus.NotRun, StepStatus.Succeeded], run.Steps.Select(step => step.Status));
        Assert.Equal(RunbookRunStatus.Cancelled, run.Status);
    }

    [Fact]
    public async Task Always_ends_at_its_time_limit_and_says_what_was_left()
    {
        var invoker = new RecordingInvoker
        {
            Answer = async (call, token) =>
            {
                if (call.StepId == "clean1") await Task.Delay(Timeout.Infinite, token);
                return [];
            },
        };
        RunbookRun run = await RunAsync(invoker,
            "steps: [{ id: a, run: Get-Thing }]\nalways: [{ id: clean1, run: Remove-Thing }, { id: clean2, run: Remove-Thing }]",
            options: new() { AlwaysTimeLimit = TimeSpan.FromMilliseconds(50) });
        Assert.Equal([StepStatus.Succeeded, StepStatus.Cancelled, StepStatus.NotRun], run.Steps.Select(step => step.Status));
        Assert.Equal((RunbookRunStatus.Failed, "AlwaysIncomplete"), (run.Status, run.Failure!.ErrorId));
        Assert.Contains("clean1", run.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_runs_only_what_reads_and_computes_only_what_is_known()
    {
        var invoker = new RecordingInvoker
        {
            Answer = (call, _) => call.StepId == "missing"
                ? throw new StepFailedException("VmNotFound", "Not there yet.", null)
                : Task.FromResult<IReadOnlyList<object?>>(["host"]),
        };
        RunbookRun run = await RunAsync(invoker, """
            steps:
              - { id: look, run: Get-Thing }
              - { id: make, run: New-Thing, with: { Name: '${{ steps.look.output }}' } }
              - { id: use, run: Get-Thing, with: { Name: '${{ steps.make.output.Name }}' } }
              - { id: missing, run: Get-Thing, with: { Name: later } }
              - { id: maybe, run: New-Thing, if: '${{ steps.make.output.On }}', with: { Name: 'a-${{ steps.make.output.Name }}' } }
              - { id: each, run: New-Thing, forEach: '${{ steps.make.output }}', with: { Name: '${{ item.Name }}' } }
            always: [{ id: clean, run: Remove-Thing }]
            outputs: { made: '${{ steps.make.output }}' }
            """, options: new() { PlanOnly = true });
        Assert.Equal(["look", "missing"], invoker.StepIds);
        Assert.Equal(RunbookRunStatus.Planned, run.Status);
        Assert.Equal(StepStatus.Succeeded, run.Steps[0].Status);
        Assert.All(run.Steps.Skip(1), step => Assert.Equal(StepStatus.Planned, step.Status));
        Assert.Equal("host", run.Steps[1].Calls[0].Arguments["Name"]);
        Assert.Equal("<unknown>", run.Steps[4].Calls[0].Arguments["Name"]!.ToString());
        Assert.Equal("<unknown>", run.Outputs["made"]!.ToString());
    }

    [Fact]
    public async Task Events_come_one_at_a_time_and_in_order()
    {
        var events = new EventList();
        await RunAsync(new RecordingInvoker(), "steps: [{ id: a, run: Get-Thing }, { id: b, run: Get-Thing, forEach: [1, 2, 3, 4], throttle: 4 }]", progress: events);
        Assert.Equal(RunbookProgressKind.RunStarted, events.Seen[0].Kind);
        Assert.Equal(["a:StepStarted", "a:StepActivity", "a:StepEnded", "b:StepStarted"],
            events.Seen.Skip(1).Take(4).Select(progress => $"{progress.Step!.Id}:{progress.Kind}"));
        Assert.Equal([0, 1, 2, 3], events.Seen.Where(progress => progress.ItemIndex is not null).Select(progress => progress.ItemIndex!.Value).Order());
        Assert.Equal(RunbookProgressKind.RunEnded, events.Seen[^1].Kind);
        Assert.Equal(RunbookRunStatus.Succeeded, events.Seen[^1].Run!.Status);
        Assert.False(events.Overlapped);
    }

    private static async Task<RunbookRun> RunAsync(
        RecordingInvoker invoker, string body, Dictionary<string, object?>? given = null, RunbookRunOptions? options = null,
        IProgress<RunbookProgress>? progress = null, CancellationToken? cancellation = null)
    {
        Runbook runbook = RunbookSamples.Read(body);
        Assert.Empty(ParameterBinder.Bind(runbook, given ?? [], out IReadOnlyDictionary<string, object?> values));
        return await new RunbookExecutor(invoker, options ?? new()).RunAsync(runbook, values, progress, cancellation ?? TestCancelled);
    }

    private sealed class EventList : IProgress<RunbookProgress>
    {
        private int inside;

        public List<RunbookProgress> Seen { get; } = [];

        public bool Overlapped { get; private set; }

        public void Report(RunbookProgress value)
        {
            if (Interlocked.Increment(ref inside) != 1) Overlapped = true;
            Seen.Add(value);
            Interlocked.Decrement(ref inside);
        }
    }
}
