using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes ids of mobility paths; the tool tip says between which hosts.</summary>
internal sealed class MobilityPathIdCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<MobilityPath> paths = Completion.Ask(limit => MobilityPathLookup.FindAllAsync(limit, CancellationToken.None));
        return Completion.Match(wordToComplete, paths.Select(path => (path.Id.ToString(), $"{path}, {path.State}")));
    }
}
