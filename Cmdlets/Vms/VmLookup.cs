using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>
/// Finds VMs on the hosts of this session. A VM that is being migrated is on two hosts: the copy that still waits for its memory is left
/// out where the other one is found too.
/// </summary>
internal static class VmLookup
{
    /// <summary>The VMs whose name matches, on the hosts given or on all; a name without wildcards must be there.</summary>
    public static async Task<IReadOnlyList<LocatedVm>> FindByNameAsync(
        string pattern, IReadOnlyList<MigrationHostReference>? hosts, CancellationToken cancellationToken)
    {
        var wildcard = WildcardPattern.Get(pattern, WildcardOptions.IgnoreCase);
        bool isExact = !WildcardPattern.ContainsWildcardCharacters(pattern);
        List<LocatedVm> found = await FindAsync(
            hosts,
            vm => isExact
                ? string.Equals(vm.Specification.Name, pattern, StringComparison.OrdinalIgnoreCase)
                : wildcard.IsMatch(vm.Specification.Name),
            cancellationToken).ConfigureAwait(false);
        if (!isExact || found.Count > 0) return found;
        throw new MigrationException(MigrationErrorReason.VmNotFound, $"No VM '{pattern}' is on {NamesOf(hosts)}.",
            "Get-MigrationVm lists the VMs of all hosts of this session.");
    }

    /// <summary>The VMs of these identities, on the hosts given or on all.</summary>
    public static async Task<IReadOnlyList<LocatedVm>> FindByIdAsync(
        Guid id, IReadOnlyList<MigrationHostReference>? hosts, CancellationToken cancellationToken)
    {
        List<LocatedVm> found = await FindAsync(hosts, vm => vm.Specification.Id == id, cancellationToken).ConfigureAwait(false);
        if (found.Count > 0) return found;
        throw new MigrationException(MigrationErrorReason.VmNotFound, $"No VM with id {id} is on {NamesOf(hosts)}.",
            "Get-MigrationVm lists the VMs of all hosts of this session.");
    }

    private static async Task<List<LocatedVm>> FindAsync(
        IReadOnlyList<MigrationHostReference>? hosts, Func<VmDescription, bool> matches, CancellationToken cancellationToken)
    {
        IReadOnlyList<IMigrationHost> searched = hosts is null
            ? HostRegistry.All()
            : [.. hosts.SelectMany(host => HostRegistry.Find(host.Name)).Distinct()];
        var vms = await HostRegistry.AskAllAsync(searched, host => host.ListVmsAsync(cancellationToken)).ConfigureAwait(false);
        List<LocatedVm> found = [.. vms.Where(vm => matches(vm.Item)).Select(vm => new LocatedVm(vm.Host, vm.Item))];
        HashSet<Guid> elsewhere = [.. found.Where(vm => !IsIncoming(vm)).Select(vm => vm.Id)];
        found.RemoveAll(vm => IsIncoming(vm) && elsewhere.Contains(vm.Id));
        return found;
    }

    private static bool IsIncoming(LocatedVm vm) => vm.Vm.State == Engine.Hypervisors.VmState.Incoming;

    private static string NamesOf(IReadOnlyList<MigrationHostReference>? hosts) =>
        hosts is null ? "any host of this session" : string.Join(", ", hosts.Select(host => host.Name));
}
