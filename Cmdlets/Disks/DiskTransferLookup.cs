using VmMigration.Engine;
using VmMigration.Engine.Disks;

namespace VmMigration.Cmdlets;

/// <summary>Finds disk transfers on the hosts of this session that are or were their sources.</summary>
internal static class DiskTransferLookup
{
    /// <summary>The transfer of this id.</summary>
    public static async Task<HostAnswers<LocatedDiskTransfer>> FindByIdAsync(Guid id, CancellationToken cancellationToken)
    {
        HostAnswers<LocatedDiskTransfer> found = await TryFindByIdAsync(id, cancellationToken).ConfigureAwait(false);
        return found.RequireSome(() => NotFound($"No host of this session knows a disk transfer {id}."));
    }

    /// <summary>The transfer of this id; empty where no host knows it.</summary>
    public static Task<HostAnswers<LocatedDiskTransfer>> TryFindByIdAsync(Guid id, CancellationToken cancellationToken) =>
        FindAsync(status => status.Id == id, limit: null, cancellationToken);

    /// <summary>All transfers of disks that are named, oldest first; a name without wildcards must have had one.</summary>
    /// <param name="pattern">The path at the source, the file's name, or a pattern of either.</param>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<LocatedDiskTransfer>> FindByPathAsync(
        string pattern, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var named = new DiskPathPattern(pattern);
        HostAnswers<LocatedDiskTransfer> found = await FindAsync(status => named.Names(status.SourcePath), limit, cancellationToken)
            .ConfigureAwait(false);
        return named.MayBeNone
            ? found
            : found.RequireSome(() => NotFound($"No host of this session knows a transfer of a disk '{pattern}'."));
    }

    /// <summary>Of the transfers of each disk to the same place the one under way, else the last.</summary>
    public static IReadOnlyList<LocatedDiskTransfer> PresentOnes(IEnumerable<LocatedDiskTransfer> transfers) =>
        [.. transfers
            .GroupBy(one => (one.Status.SourceHostName, one.Status.SourcePath, one.Status.DestinationHostName, one.Status.DestinationPath))
            .Select(ofDisk => ofDisk.OrderBy(one => !one.Status.HasEnded).ThenBy(one => one.Status.StartedAt).Last())];

    /// <summary>
    /// Of the present ones those that there is something to do for; where there is none, all that were named without wildcards, so that each
    /// says why.
    /// </summary>
    /// <param name="transfers">What was found.</param>
    /// <param name="target">What the user named it by.</param>
    /// <param name="isMeant">Whether there is something to do for a transfer.</param>
    public static IReadOnlyList<LocatedDiskTransfer> Meant(
        IEnumerable<LocatedDiskTransfer> transfers, object target, Func<LocatedDiskTransfer, bool> isMeant)
    {
        IReadOnlyList<LocatedDiskTransfer> present = PresentOnes(transfers);
        LocatedDiskTransfer[] meant = [.. present.Where(isMeant)];
        bool mayBeNone = target is string path && new DiskPathPattern(path).MayBeNone;
        return meant.Length > 0 || mayBeNone ? meant : present;
    }

    private static async Task<HostAnswers<LocatedDiskTransfer>> FindAsync(
        Func<DiskTransferStatus, bool> matches, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var statuses = await HostRegistry.AskAllAsync(
            HostRegistry.All(), (host, token) => host.Disks.ListDiskTransfersAsync(token), limit, cancellationToken).ConfigureAwait(false);
        return statuses.With<LocatedDiskTransfer>([.. statuses.Items.Where(status => matches(status.Item))
            .Select(status => new LocatedDiskTransfer(status.Host, status.Item))
            .OrderBy(transfer => transfer.Status.StartedAt)]);
    }

    private static MigrationException NotFound(string message) => new(
        MigrationErrorReason.DiskTransferNotFound, message, "Get-DiskTransfer lists the transfers all hosts of this session know.");
}
