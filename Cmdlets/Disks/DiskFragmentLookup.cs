using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>Finds disk fragments on the hosts of this session that keep them.</summary>
internal static class DiskFragmentLookup
{
    /// <summary>The fragment of this id.</summary>
    public static async Task<HostAnswers<LocatedDiskFragment>> FindByIdAsync(Guid id, CancellationToken cancellationToken)
    {
        HostAnswers<LocatedDiskFragment> found = await FindAsync(fragment => fragment.Id == id, null, limit: null, cancellationToken)
            .ConfigureAwait(false);
        return found.RequireSome(() => NotFound($"No host of this session keeps a disk fragment {id}."));
    }

    /// <summary>All fragments of disks that are named, oldest first; a name without wildcards must have one.</summary>
    /// <param name="pattern">The disk's path at its source, the file's name, or a pattern of either.</param>
    /// <param name="hosts">Where to look; null for all hosts of this session.</param>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<LocatedDiskFragment>> FindByPathAsync(
        string pattern, IReadOnlyList<MigrationHostReference>? hosts, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var named = new DiskPathPattern(pattern);
        HostAnswers<LocatedDiskFragment> found = await FindAsync(fragment => named.Names(fragment.Source.Path), hosts, limit, cancellationToken)
            .ConfigureAwait(false);
        return named.MayBeNone ? found : found.RequireSome(() => NotFound($"No fragment of a disk '{pattern}' is kept."));
    }

    private static async Task<HostAnswers<LocatedDiskFragment>> FindAsync(
        Func<Engine.Disks.DiskFragment, bool> matches, IReadOnlyList<MigrationHostReference>? hosts, TimeSpan? limit,
        CancellationToken cancellationToken)
    {
        var fragments = await HostRegistry.AskAllAsync(
            HostRegistry.Named(hosts), (host, token) => host.Disks.ListDiskFragmentsAsync(token), limit, cancellationToken)
            .ConfigureAwait(false);
        return fragments.With<LocatedDiskFragment>([.. fragments.Items.Where(fragment => matches(fragment.Item))
            .Select(fragment => new LocatedDiskFragment(fragment.Host, fragment.Item))
            .OrderBy(fragment => fragment.Fragment.StoredAt)]);
    }

    private static MigrationException NotFound(string message) => new(
        MigrationErrorReason.DiskFragmentNotFound, message,
        "Get-DiskFragment lists the fragments all hosts of this session keep; one that is gone on from is none until that has ended.");
}
