using Spectre.Console;
using VmMigration.Cmdlets;
using VmMigration.Engine.Runbooks.Execution;
using RunStatus = VmMigration.Engine.Runbooks.Execution.RunbookRunStatus;

namespace VmMigration.Runner;

/// <summary>Runs a runbook and shows how it goes and what came of it.</summary>
internal sealed class RunCommand(string path, IReadOnlyList<string> parameters, string? jsonPath, bool isQuiet)
{
    public async Task<ExitCode> ExecuteAsync()
    {
        if (RunbookInput.Read(path, parameters, requireAll: true) is not { } input) return ExitCode.Invalid;

        // Opened now: that the result cannot be written is better known before an hour of migrations than after it.
        FileStream? json = OpenJson();
        if (json is null && jsonPath is not null) return ExitCode.Invalid;
        using (json)
        {
            RunbookRun run = await RunAsync(input).ConfigureAwait(false);
            IReadOnlyList<VmMigrationOperation> migrations = FinishedMigrations.Of(run);
            if (json is not null) ResultJson.Write(json, run, migrations);
            if (!isQuiet) ResultTable.Write(AnsiConsole.Console, migrations);
            return Conclude(run);
        }
    }

    private FileStream? OpenJson()
    {
        if (jsonPath is null) return null;
        try
        {
            return File.Create(jsonPath);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            Console.Error.WriteLine($"The result cannot be written to '{jsonPath}': {failure.Message}");
            return null;
        }
    }

    private async Task<RunbookRun> RunAsync(RunbookInput input)
    {
        using var interruption = new Interruption();
        using var invoker = new CmdletStepInvoker(workingDirectory: null);
        var executor = new RunbookExecutor(invoker, new() { AlwaysCancellation = interruption.Always });
        Task<RunbookRun> Start(IProgress<RunbookProgress>? progress) =>
            executor.RunAsync(input.Runbook, input.Values, progress, interruption.Run);
        try
        {
            if (isQuiet) return await Start(null).ConfigureAwait(false);
            return AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected
                ? await LiveProgress.ShowAsync(AnsiConsole.Console, input.Runbook, Start).ConfigureAwait(false)
                : await Start(new PlainProgress(Console.Out)).ConfigureAwait(false);
        }
        finally
        {
            // What the runbook left open goes before the process does: VMs, files, listening ports.
            HostRegistry.CloseAll();
        }
    }

    private static ExitCode Conclude(RunbookRun run)
    {
        foreach (StepResult step in run.Steps.Where(step => step.Failure is not null)) Complain($"Step '{step.StepId}'", step.Failure!);
        if (run.Failure is { } failure && run.Steps.All(step => step.Failure is null)) Complain("The outputs", failure);
        switch (run.Status)
        {
            case RunStatus.Succeeded:
                return ExitCode.Success;
            case RunStatus.Cancelled:
                Console.Error.WriteLine("Cancelled.");
                return ExitCode.Cancelled;
            default:
                return ExitCode.StepFailed;
        }
    }

    private static void Complain(string what, StepFailure failure)
    {
        Console.Error.WriteLine($"{what} failed: {failure.Message} [{failure.ErrorId}]");
        if (failure.RecommendedAction is { } action) Console.Error.WriteLine($"  {action}");
    }
}
