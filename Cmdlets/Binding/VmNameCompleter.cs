using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes names of VMs, of the host on the command line where one is named there.</summary>
internal sealed class VmNameCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        MigrationHostReference[]? hosts = fakeBoundParameters["HostName"] is string host ? [new(host)] : null;
        IReadOnlyList<LocatedVm> vms = Completion.Ask(
            limit => VmLookup.FindByNameAsync("*", hosts, limit, CancellationToken.None));
        return Completion.Match(wordToComplete, vms.Select(vm => (vm.Name, $"{vm.Title}, {vm.Vm.State}")));
    }
}
