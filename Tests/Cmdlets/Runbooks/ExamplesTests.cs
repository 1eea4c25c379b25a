using System.Diagnostics;
using System.Management.Automation.Language;
using VmMigration.Cmdlets.Tests.Hosting;
using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets.Tests;

public sealed class ExamplesTests
{
    public static TheoryData<string> Runbooks => [.. Find("*.yaml")];

    public static TheoryData<string> Scripts => [.. Find("*.ps1")];

    [Theory]
    [MemberData(nameof(Runbooks))]
    public void Every_runbook_is_valid(string name)
    {
        RunbookReading reading = new RunbookReader(CmdletCatalog.Catalog).ReadFile(Path.Combine(BuildOutput.ExamplesDirectory, name));
        Assert.Empty(reading.Diagnostics);
        Assert.Empty(ParameterBinder.Bind(reading.Runbook!, new Dictionary<string, object?>(), out _));
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void Every_script_parses_and_calls_only_cmdlets_and_parameters_that_exist(string name)
    {
        ScriptBlockAst script = Parser.ParseFile(Path.Combine(BuildOutput.ExamplesDirectory, name), out _, out ParseError[] errors);
        Assert.Empty(errors);
        CommandAst[] calls = [.. script.FindAll(node => node is CommandAst, searchNestedScriptBlocks: true).Cast<CommandAst>()];
        Assert.NotEmpty(calls);
        foreach (CommandAst call in calls.Where(call => call.GetCommandName() is not ("Import-Module" or "Set-StrictMode")))
        {
            Assert.True(CmdletCatalog.Catalog.TryFind(call.GetCommandName(), out StepCmdlet? cmdlet), call.Extent.Text);
            foreach (CommandParameterAst parameter in call.CommandElements.OfType<CommandParameterAst>())
            {
                Assert.True(cmdlet.TryFindParameter(parameter.ParameterName, out _), $"{call.Extent.Text}: -{parameter.ParameterName}");
            }
        }
    }

    [Fact]
    public async Task The_embedded_script_runs_in_a_process_that_has_only_the_module()
    {
        string script = Path.Combine(BuildOutput.ExamplesDirectory, "live-migration.ps1");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        string call = $"& '{script}' -MemoryBytes 64MB -ModulePath '{BuildOutput.ManifestPath}' | ForEach-Object {{ if ($_ -is [string]) {{ $_ }} elseif "
            + "($null -ne $_.PSObject.Properties['MemoryVerified']) { \"verified $($_.MemoryVerified)\" } else { \"$($_.Name) on $($_.HostName)\" } }";
        foreach (string argument in new[] { BuildOutput.ModuleHostPath, BuildOutput.ManifestPath, call }) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output + await errors);
        Assert.Contains("""
            "Output":["verified True","web01 on kvm02"],"Errors":[]
            """.Trim(), output, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Find(string pattern) =>
        Directory.EnumerateFiles(BuildOutput.ExamplesDirectory, pattern).Select(path => Path.GetFileName(path)).Order();
}
