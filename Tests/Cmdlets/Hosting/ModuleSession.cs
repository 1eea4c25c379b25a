using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using System.Management.Automation;
using System.Management.Automation.Internal;
using System.Management.Automation.Runspaces;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>
/// A runspace with the module imported. The hosts of the module belong to the process, and test classes run side by side, so every
/// session has names of its own: <c>$a</c>, <c>$b</c> and <c>$c</c> for hosts, <c>$vm</c> for a VM, and <c>$s</c> to make others with.
/// Disposal closes all hosts whose names end in <c>$s</c>.
/// </summary>
public sealed class ModuleSession : IDisposable
{
    private readonly Runspace runspace;

    static ModuleSession() => Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");

    public ModuleSession()
    {
        Suffix = Guid.NewGuid().ToString("N")[..8];
        InitialSessionState state = InitialSessionState.CreateDefault2();
        foreach ((string name, string value) in new[] { ("s", Suffix), ("a", $"a-{Suffix}"), ("b", $"b-{Suffix}"), ("c", $"c-{Suffix}"), ("vm", VmName) })
        {
            state.Variables.Add(new SessionStateVariableEntry(name, value, ""));
        }

        runspace = RunspaceFactory.CreateRunspace(Host, state);
        runspace.Open();
        Run($"Import-Module '{BuildOutput.ManifestPath}' -ErrorAction Stop");
    }

    public string Suffix { get; }

    public string HostA => $"a-{Suffix}";

    public string HostB => $"b-{Suffix}";

    public string HostC => $"c-{Suffix}";

    public string VmName => $"vm-{Suffix}";

    public CapturingHost Host { get; } = new();

    public Runspace Runspace => runspace;

    /// <summary>A session with hosts <c>$a</c> and <c>$b</c> open.</summary>
    public static ModuleSession WithHosts()
    {
        var session = new ModuleSession();
        session.RunClean("$a, $b | New-MigrationHost");
        return session;
    }

    /// <summary>A session with hosts <c>$a</c> and <c>$b</c>, and an embedded VM <c>$vm</c> running on <c>$a</c>.</summary>
    public static ModuleSession WithRunningVm(string vmParameters = "-MemoryBytes 16MB -Program HotSetWriter -StepsPerSecond 2000")
    {
        ModuleSession session = WithHosts();
        session.RunClean($"New-MigrationVm $vm $a {vmParameters} | Start-MigrationVm");
        return session;
    }

    /// <summary>
    /// As <see cref="WithRunningVm"/>, but the VM rewrites 64 MiB so fast that a migration limited to <c>1MB</c> a second goes on until
    /// it is stopped.
    /// </summary>
    public static ModuleSession WithBusyVm() => WithRunningVm("-MemoryBytes 64MB -Program HotSetWriter -StepsPerSecond 1000000");

    public ScriptOutcome Run([StringSyntax("powershell")] string script)
    {
        using PowerShell shell = CreateShell(script);
        Collection<PSObject> output = shell.Invoke();
        return new([.. output.Select(item => item?.BaseObject!)], [.. shell.Streams.Error]);
    }

    /// <summary>Runs a script that must write no error.</summary>
    public ScriptOutcome RunClean([StringSyntax("powershell")] string script)
    {
        ScriptOutcome outcome = Run(script);
        Assert.True(outcome.Errors.Count == 0, $"{script}\n{string.Join('\n', outcome.Errors.Select(error => error.Exception))}");
        return outcome;
    }

    /// <summary>Runs a script that must write exactly one error and nothing else.</summary>
    public ErrorRecord RunFailing([StringSyntax("powershell")] string script)
    {
        ScriptOutcome outcome = Run(script);
        Assert.Empty(outcome.Output);
        return Assert.Single(outcome.Errors);
    }

    /// <summary>What a person would see of a script.</summary>
    public string Render([StringSyntax("powershell")] string script)
    {
        Host.Screen.TakeText();
        RunClean($"& {{ {script} }} | Out-Default");
        return new StringDecorated(Host.Screen.TakeText()).ToString(OutputRendering.PlainText);
    }

    /// <summary>A shell for what needs more than one call, for example stopping it.</summary>
    public PowerShell CreateShell([StringSyntax("powershell")] string script)
    {
        var shell = PowerShell.Create(runspace);
        shell.AddScript(script);
        return shell;
    }

    public void Dispose()
    {
        Run("Disconnect-MigrationHost \"*-$s\" -Force -Confirm:$false");
        runspace.Dispose();
    }
}
