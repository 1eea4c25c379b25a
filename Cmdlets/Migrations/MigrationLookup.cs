using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>Finds migrations on the hosts of this session that are or were their sources.</summary>
internal static class MigrationLookup
{
    /// <summary>The migration of this id.</summary>
    public static async Task<IReadOnlyList<LocatedMigration>> FindByIdAsync(Guid id, CancellationToken cancellationToken)
    {
        IReadOnlyList<LocatedMigration> found = await FindAsync(status => status.Id == id, cancellationToken).ConfigureAwait(false);
        return found.Count > 0 ? found : throw NotFound($"No host of this session knows a migration {id}.");
    }

    /// <summary>All migrations of VMs whose name matches, oldest first; a name without wildcards must have had one.</summary>
    public static async Task<IReadOnlyList<LocatedMigration>> FindByVmNameAsync(string pattern, CancellationToken cancellationToken)
    {
        var wildcard = WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase);
        IReadOnlyList<LocatedMigration> found = await FindAsync(status => wildcard.IsMatch(status.VmName), cancellationToken)
            .ConfigureAwait(false);
        if (found.Count > 0 || WildcardPattern.ContainsWildcardCharacters(pattern)) return found;
        throw NotFound($"No host of this session knows a migration of a VM '{pattern}'.");
    }

    /// <summary>All migrations of a VM, oldest first; empty where it had none.</summary>
    public static Task<IReadOnlyList<LocatedMigration>> FindByVmIdAsync(Guid vmId, CancellationToken cancellationToken) =>
        FindAsync(status => status.VmId == vmId, cancellationToken);

    /// <summary>Of each VM's migrations the one under way, else the last.</summary>
    public static IReadOnlyList<LocatedMigration> PresentOnes(IEnumerable<LocatedMigration> migrations) =>
        [.. migrations.GroupBy(migration => migration.Status.VmId)
            .Select(ofVm => ofVm.OrderBy(migration => !migration.Status.HasEnded).ThenBy(migration => migration.Status.StartedAt).Last())];

    private static async Task<IReadOnlyList<LocatedMigration>> FindAsync(
        Func<MigrationStatus, bool> matches, CancellationToken cancellationToken)
    {
        var statuses = await HostRegistry.AskAllAsync(HostRegistry.All(), host => host.ListMigrationsAsync(cancellationToken))
            .ConfigureAwait(false);
        return [.. statuses.Where(status => matches(status.Item))
            .Select(status => new LocatedMigration(status.Host, status.Item))
            .OrderBy(migration => migration.Status.StartedAt)];
    }

    private static MigrationException NotFound(string message) => new(
        MigrationErrorReason.MigrationNotFound, message, "Get-VmMigration lists the migrations all hosts of this session know.");
}
