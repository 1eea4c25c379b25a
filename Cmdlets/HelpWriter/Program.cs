using System.Management.Automation;
using System.Management.Automation.Runspaces;
using VmMigration.HelpWriter;

// Writes the MAML help of the module at args[0] (its manifest) from the documentation file args[1] into the file args[2].
Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");
using Runspace runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
runspace.Open();
using var shell = PowerShell.Create(runspace);
shell.AddCommand("Import-Module").AddParameter("Name", args[0]).AddParameter("PassThru");
PSModuleInfo module = shell.Invoke<PSModuleInfo>().Single();
var comments = DocumentationComments.Load(args[1]);
MamlDocument.Create(module.ExportedCmdlets.Values.OrderBy(cmdlet => cmdlet.Name), comments).Save(args[2]);

// A cmdlet or parameter without words is a mistake of this build, not something to find out at a prompt.
foreach (string missing in comments.Missing) Console.Error.WriteLine($"error HELP001: {missing} has no documentation comment");
return comments.Missing.Count == 0 ? 0 : 1;
