using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes ids of disk transfers; the tool tip says of which disk.</summary>
internal sealed class DiskTransferIdCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<LocatedDiskTransfer> transfers = Completion.Ask(
            limit => DiskTransferLookup.FindByPathAsync("*", limit, CancellationToken.None));
        return Completion.Match(wordToComplete, transfers.Select(transfer =>
            (transfer.Id.ToString(), $"{transfer.Title}, {transfer.Status.State}")));
    }
}
