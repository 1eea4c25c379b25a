using System.Management.Automation;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Cmdlets;

/// <summary>
/// Finds VMs on the hosts of this session. A VM that is being migrated is on two hosts: the copy that cannot run is left out where the
/// other one is found too. That is the destination's until it has the VM's state, and from then on the source's, which only serves its
/// memory.
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
        HashSet<Guid> twice = [.. found.CountBy(vm => vm.Id).Where(count => count.Value > 1).Select(count => count.Key)];
        List<LocatedVm> left = [];
        foreach (LocatedVm vm in found.Where(vm => twice.Contains(vm.Id)))
        {
            if (await HasLeftAsync(vm, cancellationToken).ConfigureAwait(false)) left.Add(vm);
        }

        return [.. found.Except(left)];
    }

    /// <summary>Whether the VM runs at another host already and only its memory is still here.</summary>
    private static async Task<bool> HasLeftAsync(LocatedVm vm, CancellationToken cancellationToken)
    {
        if (vm.Vm.MigrationId is not { } id) return false;
        IReadOnlyList<MigrationStatus> outgoing = await vm.Host.ListMigrationsAsync(cancellationToken).ConfigureAwait(false);
        return outgoing.Any(status => status.Id == id
            && status.State is (Engine.Migration.MigrationState.Postcopy or Engine.Migration.MigrationState.PostcopyPaused));
    }

    private static bool IsIncoming(LocatedVm vm) => vm.Vm.State == Engine.Hypervisors.VmState.Incoming;

    private static string NamesOf(IReadOnlyList<MigrationHostReference>? hosts) =>
        hosts is null ? "any host of this session" : string.Join(", ", hosts.Select(host => host.Name));
}
