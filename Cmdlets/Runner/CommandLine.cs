using System.CommandLine;

namespace VmMigration.Runner;

/// <summary>The program's commands, arguments and options.</summary>
internal static class CommandLine
{
    private const string Description = """
        Runs migration runbooks where no PowerShell is installed, and the agent that serves this machine as a host.

        Exit codes: 0 all steps succeeded, 1 a step failed, 2 the runbook or an argument is invalid, 130 cancelled.
        Of 'host': 0 stopped when asked to, 1 could not start, 2 the configuration is invalid, 3 stopped before everything had ended.
        """;

    public static async Task<int> RunAsync(string[] arguments)
    {
        ParseResult parsed = MakeRoot().Parse(arguments);

        // Ctrl+C is this program's own business: the library would end the process before the runbook has cleaned up.
        int result = await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
        return parsed.Errors.Count > 0 ? (int)ExitCode.Invalid : result;
    }

    private static RootCommand MakeRoot()
    {
        var root = new RootCommand(Description);
        root.Subcommands.Add(MakeRun());
        root.Subcommands.Add(MakeValidate());
        root.Subcommands.Add(HostCommandLine.Make());
        return root;
    }

    private static Command MakeRun()
    {
        Argument<string> runbook = MakeRunbookArgument();
        Option<string[]> parameters = MakeParameterOption();
        var json = new Option<string?>("--json")
        {
            HelpName = "file",
            Description = "Write the result record of the last migration as JSON. Its 'Migration' names the VM and the hosts, its 'Run' "
                + "holds the steps and outputs; where several migrations ran, 'Migrations' lists all of them in order.",
        };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Write errors only: no progress, no table." };
        var command = new Command("run", "Run a runbook. Ctrl+C cancels it and runs its 'always' steps; a second Ctrl+C skips those.")
        {
            runbook, parameters, json, quiet,
        };
        command.SetAction(async (parsed, _) =>
        {
            var run = new RunCommand(parsed.GetRequiredValue(runbook), parsed.GetValue(parameters) ?? [], parsed.GetValue(json),
                parsed.GetValue(quiet));
            return (int)await run.ExecuteAsync().ConfigureAwait(false);
        });
        return command;
    }

    private static Command MakeValidate()
    {
        Argument<string> runbook = MakeRunbookArgument();
        Option<string[]> parameters = MakeParameterOption();
        var command = new Command("validate", "Check a runbook without running anything: one line for each thing that is wrong.")
        {
            runbook, parameters,
        };
        command.SetAction(parsed =>
            (int)ValidateCommand.Execute(parsed.GetRequiredValue(runbook), parsed.GetValue(parameters) ?? []));
        return command;
    }

    private static Argument<string> MakeRunbookArgument() => new("runbook") { Description = "The runbook's file (YAML)." };

    private static Option<string[]> MakeParameterOption() => new("--parameter", "-p")
    {
        HelpName = "name=value",
        Description = "Give one of the runbook's parameters a value, written as in the runbook. May be given several times.",
        AllowMultipleArgumentsPerToken = false,
    };
}
