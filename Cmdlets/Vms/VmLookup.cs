using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>
/// Finds VMs on the hosts of this session. A VM that is being migrated is on two hosts: the copy that cannot run is left out where the
/// other one is found too. That is the destination's until it has the VM's state, and from then on the source's, which only serves its
/// memory.
/// </summary>
internal static class VmLookup
{
    /// <summary>The VMs whose name matches, on the hosts given or on all; a name without wildcards must be there.</summary>
    /// <param name="pattern">The name, or a pattern of names.</param>
    /// <param name="hosts">Where to look; null for all hosts of this session.</param>
    /// <param name="limit">Time each host has to answer; null leaves that to the host.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<HostAnswers<LocatedVm>> FindByNameAsync(
        string pattern, IReadOnlyList<MigrationHostReference>? hosts, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var wildcard = WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase);
        bool isExact = !WildcardPattern.ContainsWildcardCharacters(pattern);
        HostAnswers<LocatedVm> found = await FindAsync(
            hosts,
            vm => isExact
                ? string.Equals(vm.Specification.Name, pattern, StringComparison.OrdinalIgnoreCase)
                : wildcard.IsMatch(vm.Specification.Name),
            limit, cancellationToken).ConfigureAwait(false);
        return isExact ? found.RequireSome(() => NotFound($"No VM '{pattern}' is on {NamesOf(hosts)}.")) : found;
    }

    /// <summary>The VMs of these identities, on the hosts given or on all.</summary>
    public static async Task<HostAnswers<LocatedVm>> FindByIdAsync(
        Guid id, IReadOnlyList<MigrationHostReference>? hosts, CancellationToken cancellationToken)
    {
        HostAnswers<LocatedVm> found = await FindAsync(hosts, vm => vm.Specification.Id == id, limit: null, cancellationToken)
            .ConfigureAwait(false);
        return found.RequireSome(() => NotFound($"No VM with id {id} is on {NamesOf(hosts)}."));
    }

    private static async Task<HostAnswers<LocatedVm>> FindAsync(
        IReadOnlyList<MigrationHostReference>? hosts, Func<VmDescription, bool> matches, TimeSpan? limit,
        CancellationToken cancellationToken)
    {
        var vms = await HostRegistry.AskAllAsync(
            HostRegistry.Named(hosts), (host, token) => host.ListVmsAsync(token), limit, cancellationToken).ConfigureAwait(false);
        List<LocatedVm> found = [.. vms.Items.Where(vm => matches(vm.Item)).Select(vm => new LocatedVm(vm.Host, vm.Item))];
        HashSet<Guid> elsewhere = [.. found.Where(vm => !IsIncoming(vm)).Select(vm => vm.Id)];
        found.RemoveAll(vm => IsIncoming(vm) && elsewhere.Contains(vm.Id));
        HashSet<Guid> twice = [.. found.CountBy(vm => vm.Id).Where(count => count.Value > 1).Select(count => count.Key)];
        if (twice.Count == 0) return vms.With<LocatedVm>(found);
        HashSet<(IMigrationHost, Guid?)> leaving = await FindLeavingAsync(found.Where(vm => twice.Contains(vm.Id)), limit, cancellationToken)
            .ConfigureAwait(false);
        return vms.With<LocatedVm>([.. found.Where(vm => !twice.Contains(vm.Id) || !leaving.Contains((vm.Host, vm.Vm.MigrationId)))]);
    }

    /// <summary>The migrations whose VM runs at another host already and has only its memory here. A host that fails now names none.</summary>
    private static async Task<HashSet<(IMigrationHost, Guid?)>> FindLeavingAsync(
        IEnumerable<LocatedVm> vms, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var outgoing = await HostRegistry.AskAllAsync(
            vms.Where(vm => vm.Vm.MigrationId is not null).Select(vm => vm.Host).Distinct(),
            (host, token) => host.ListMigrationsAsync(token), limit, cancellationToken).ConfigureAwait(false);
        return [.. outgoing.Items
            .Where(status => status.Item.State is Engine.Migration.MigrationState.Postcopy or Engine.Migration.MigrationState.PostcopyPaused)
            .Select(status => (status.Host, (Guid?)status.Item.Id))];
    }

    private static bool IsIncoming(LocatedVm vm) => vm.Vm.State == Engine.Hypervisors.VmState.Incoming;

    private static MigrationException NotFound(string message) =>
        new(MigrationErrorReason.VmNotFound, message, "Get-MigrationVm lists the VMs of all hosts of this session.");

    private static string NamesOf(IReadOnlyList<MigrationHostReference>? hosts) =>
        hosts is null ? "any host of this session" : string.Join(", ", hosts.Select(host => host.Name));
}
