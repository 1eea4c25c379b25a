using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Names disks by their path at the source: in full, or by the file's name alone; wildcards may stand in either.</summary>
/// <param name="pattern">What the user wrote.</param>
internal sealed class DiskPathPattern(string pattern)
{
    private readonly WildcardPattern wildcard = WildcardPattern.Get(pattern, WildcardOptions.None);

    /// <summary>Whether it may name none, for it is a pattern.</summary>
    public bool MayBeNone { get; } = WildcardPattern.ContainsWildcardCharacters(pattern);

    /// <summary>Whether a disk of this path is meant.</summary>
    public bool Names(string path) => MayBeNone
        ? wildcard.IsMatch(path) || wildcard.IsMatch(Path.GetFileName(path))
        : path == pattern || Path.GetFileName(path) == pattern;
}
