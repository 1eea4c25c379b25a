using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>What the completers have in common: matching, quoting and a time limit, for somebody is waiting at a prompt.</summary>
internal static class Completion
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>The candidates that start with the word, without regard to case or quotes.</summary>
    public static IEnumerable<CompletionResult> Match(string wordToComplete, IEnumerable<(string Text, string ToolTip)> candidates)
    {
        string prefix = wordToComplete.Trim('\'', '"');
        return candidates
            .Where(candidate => candidate.Text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            .DistinctBy(candidate => candidate.Text, StringComparer.OrdinalIgnoreCase)
            .OrderBy(candidate => candidate.Text, StringComparer.OrdinalIgnoreCase)
            .Select(candidate =>
                new CompletionResult(candidate.Text, candidate.Text, CompletionResultType.ParameterValue, candidate.ToolTip));
    }

    /// <summary>
    /// Asks hosts, each with the same time limit; one that fails or takes too long offers nothing, for a prompt is no place for errors.
    /// </summary>
    public static IReadOnlyList<T> Ask<T>(Func<TimeSpan, Task<HostAnswers<T>>> question)
    {
        try
        {
            return Task.Run(() => question(Limit)).GetAwaiter().GetResult().Items;
        }
        catch (Engine.MigrationException)
        {
            return [];
        }
    }
}
