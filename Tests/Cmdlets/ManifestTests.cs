using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Reflection;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class ManifestTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Manifest_exports_exactly_the_cmdlets_of_the_assembly()
    {
        string[] built = [.. typeof(MigrationCmdlet).Assembly.GetExportedTypes()
            .Select(type => type.GetCustomAttribute<CmdletAttribute>())
            .OfType<CmdletAttribute>()
            .Select(cmdlet => $"{cmdlet.VerbName}-{cmdlet.NounName}")
            .Order()];
        PSModuleInfo module = session.RunClean("Get-Module VmMigration").Single<PSModuleInfo>();
        Assert.Equal(built, module.ExportedCmdlets.Keys.Order());
        Assert.Equal(built, ListedExports().Order());
    }

    [Fact]
    public void Manifest_and_assemblies_have_one_version() =>
        Assert.Equal(BuildOutput.Version, session.RunClean("(Get-Module VmMigration).Version.ToString()").Single<string>());

    [Fact]
    public void Every_verb_is_an_approved_one()
    {
        string[] approved = [.. new[]
            {
                typeof(VerbsCommon), typeof(VerbsLifecycle), typeof(VerbsDiagnostic), typeof(VerbsCommunications), typeof(VerbsData),
                typeof(VerbsSecurity), typeof(VerbsOther),
            }
            .SelectMany(verbs => verbs.GetFields().Select(field => (string)field.GetValue(null)!))];
        ScriptOutcome verbs = session.RunClean("Get-Command -Module VmMigration | ForEach-Object Verb");
        Assert.NotEmpty(verbs.Output);
        Assert.All(verbs.All<string>(), verb => Assert.Contains(verb, approved));
    }

    [Fact]
    public void Everything_that_changes_state_takes_WhatIf()
    {
        ScriptOutcome without = session.RunClean(
            "Get-Command -Module VmMigration | Where-Object { -not $_.Parameters.ContainsKey('WhatIf') } | ForEach-Object Verb");
        Assert.All(without.All<string>(), verb => Assert.True(verb is "Get" or "Test" or "Wait", verb));
    }

    [Fact]
    public void Only_removal_and_poisoning_ask_by_default()
    {
        string[] high = [.. typeof(MigrationCmdlet).Assembly.GetExportedTypes()
            .Where(type => type.GetCustomAttribute<CmdletAttribute>() is { ConfirmImpact: ConfirmImpact.High })
            .Select(type => type.Name)
            .Order()];
        Assert.Equal([nameof(AddPoisonedPageCommand), nameof(RemoveDiskFragmentCommand), nameof(RemoveMigrationVmCommand)], high);
    }

    [Fact]
    public void Import_Force_keeps_the_cmdlets()
    {
        using var other = new ModuleSession();
        ScriptOutcome outcome = other.RunClean($"""
            Import-Module '{BuildOutput.ManifestPath}' -Force
            New-MigrationHost $a | ForEach-Object Name
            (Get-Command -Module VmMigration).Count
            """);
        Assert.Equal(other.HostA, outcome.Output[0]);
        Assert.Equal(session.RunClean("(Get-Command -Module VmMigration).Count").Output[0], outcome.Output[1]);
    }

    private static IEnumerable<string> ListedExports()
    {
        ScriptBlockAst manifest = Parser.ParseFile(BuildOutput.ManifestPath, out _, out ParseError[] errors);
        Assert.Empty(errors);
        var table = (HashtableAst)manifest.Find(node => node is HashtableAst, searchNestedScriptBlocks: false)!;
        return ((object[])((Hashtable)table.SafeGetValue())["CmdletsToExport"]!).Cast<string>();
    }
}
