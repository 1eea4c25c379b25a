using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes paths of disks that are or were copied.</summary>
internal sealed class DiskTransferPathCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<LocatedDiskTransfer> transfers = Completion.Ask(
            limit => DiskTransferLookup.FindByPathAsync("*", limit, CancellationToken.None));
        return Completion.MatchPaths(wordToComplete, transfers.Select(transfer =>
            (transfer.Status.SourcePath, $"{transfer.Title}, {transfer.Status.State}")));
    }
}
