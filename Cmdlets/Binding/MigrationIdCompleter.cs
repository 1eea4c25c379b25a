using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace VmMigration.Cmdlets;

/// <summary>Completes ids of migrations; the tool tip says whose.</summary>
internal sealed class MigrationIdCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<LocatedMigration> migrations = Completion.Ask(
            limit => MigrationLookup.FindByVmNameAsync("*", limit, CancellationToken.None));
        return Completion.Match(wordToComplete, migrations.Select(migration =>
            (migration.Status.Id.ToString(), $"{migration.Title}, {migration.Status.State}")));
    }
}
