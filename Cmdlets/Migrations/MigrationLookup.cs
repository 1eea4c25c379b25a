using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Finds migrations on the hosts of this session that are or were their sources.</summary>
internal static class MigrationLookup
{
    /// <summary>The migration of this id.</summary>
    public static async Task<HostAnswers<LocatedMigration>> FindByIdAsync(Guid id, CancellationToken cancellationToken)
    {
        HostAnswers<LocatedMigration> found = await FindAsync(status => status.Id == id, limit: null, cancellationToken)
            .ConfigureAwait(false);
        return found.RequireSome(() => NotFound($"No host of this session knows a migration {id}."));
    }

    /// <summary>All migrations of VMs whose name matches, oldest first; a name without wildcards must have had one.</summary>
    /// <param name="pattern">The name, or a pattern of names.</param>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<LocatedMigration>> FindByVmNameAsync(
        string pattern, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var wildcard = WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase);
        HostAnswers<LocatedMigration> found = await FindAsync(status => wildcard.IsMatch(status.VmName), limit, cancellationToken)
            .ConfigureAwait(false);
        if (WildcardPattern.ContainsWildcardCharacters(pattern)) return found;
        return found.RequireSome(() => NotFound($"No host of this session knows a migration of a VM '{pattern}'."));
    }

    /// <summary>All migrations of a VM, oldest first; empty where it had none.</summary>
    public static Task<HostAnswers<LocatedMigration>> FindByVmIdAsync(Guid vmId, CancellationToken cancellationToken) =>
        FindAsync(status => status.VmId == vmId, limit: null, cancellationToken);

    /// <summary>Of each VM's migrations the one under way, else the last.</summary>
    public static IReadOnlyList<LocatedMigration> PresentOnes(IEnumerable<LocatedMigration> migrations) =>
        [.. migrations.GroupBy(migration => migration.Status.VmId)
            .Select(ofVm => ofVm.OrderBy(migration => !migration.Status.HasEnded).ThenBy(migration => migration.Status.StartedAt).Last())];

    private static async Task<HostAnswers<LocatedMigration>> FindAsync(
        Func<MigrationStatus, bool> matches, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var statuses = await HostRegistry.AskAllAsync(
            HostRegistry.All(), (host, token) => host.ListMigrationsAsync(token), limit, cancellationToken).ConfigureAwait(false);
        return statuses.With<LocatedMigration>([.. statuses.Items.Where(status => matches(status.Item))
            .Select(status => new LocatedMigration(status.Host, status.Item))
            .OrderBy(migration => migration.Status.StartedAt)]);
    }

    private static MigrationException NotFound(string message) => new(
        MigrationErrorReason.MigrationNotFound, message, "Get-VmMigration lists the migrations all hosts of this session know.");
}
