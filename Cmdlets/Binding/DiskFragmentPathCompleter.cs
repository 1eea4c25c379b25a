using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes paths of disks that a fragment is kept of.</summary>
internal sealed class DiskFragmentPathCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<LocatedDiskFragment> fragments = Completion.Ask(
            limit => DiskFragmentLookup.FindByPathAsync("*", null, limit, CancellationToken.None));
        return Completion.MatchPaths(wordToComplete, fragments.Select(fragment => (fragment.Fragment.Source.Path, fragment.Title)));
    }
}
