using System.Management.Automation;
using System.Management.Automation.Language;

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

    /// <summary>The paths that the word begins, or whose file's name it begins; quoted where PowerShell would read them otherwise.</summary>
    public static IEnumerable<CompletionResult> MatchPaths(string wordToComplete, IEnumerable<(string Path, string ToolTip)> candidates)
    {
        string prefix = wordToComplete.Trim('\'', '"');
        return candidates
            .Where(candidate => candidate.Path.StartsWith(prefix, StringComparison.Ordinal)
                || Path.GetFileName(candidate.Path).StartsWith(prefix, StringComparison.Ordinal))
            .DistinctBy(candidate => candidate.Path, StringComparer.Ordinal)
            .OrderBy(candidate => candidate.Path, StringComparer.Ordinal)
            .Select(candidate =>
                new CompletionResult(Quote(candidate.Path), candidate.Path, CompletionResultType.ParameterValue, candidate.ToolTip));
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

    private static string Quote(string path) => path.All(letter => char.IsAsciiLetterOrDigit(letter) || "/._-:".Contains(letter, StringComparison.Ordinal))
        ? path
        : $"'{CodeGeneration.EscapeSingleQuotedStringContent(path)}'";
}
