using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.Loader;
using System.Text.Json;

// Imports the module at args[0], runs the script args[1] and prints, as JSON, the script's output, its errors and which load context
// holds which assembly. This program knows nothing of the module, as pwsh does not; and it has loaded a package that the module needs, in
// a version of its own, as another module may have.
_ = typeof(Microsoft.Extensions.Logging.ILogger).Assembly.GetName().Version;
Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");
using Runspace runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
runspace.Open();
using var shell = PowerShell.Create(runspace);
shell.AddCommand("Import-Module").AddParameter("Name", args[0]).AddParameter("ErrorAction", "Stop").Invoke();
shell.Commands.Clear();
shell.Streams.Error.Clear();
Collection<PSObject> output = shell.AddScript(args[1]).Invoke();
var report = new
{
    Output = output.Select(item => item?.ToString()).ToArray(),
    Errors = shell.Streams.Error.Select(error => $"{error.FullyQualifiedErrorId}: {error.Exception}").ToArray(),
    Contexts = AssemblyLoadContext.All
        .SelectMany(context => context.Assemblies.Select(assembly => (Assembly: assembly.GetName().Name!, Context: context.Name ?? "")))
        .GroupBy(entry => entry.Assembly)
        .ToDictionary(group => group.Key, group => group.Select(entry => entry.Context).Order().ToArray()),
};
Console.WriteLine(JsonSerializer.Serialize(report));
