using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes ids of disk fragments; the tool tip says of which disk.</summary>
internal sealed class DiskFragmentIdCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<LocatedDiskFragment> fragments = Completion.Ask(
            limit => DiskFragmentLookup.FindByPathAsync("*", null, limit, CancellationToken.None));
        return Completion.Match(wordToComplete, fragments.Select(fragment => (fragment.Fragment.Id.ToString(), fragment.Title)));
    }
}
