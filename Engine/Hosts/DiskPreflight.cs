using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>Whether a VM's disks can move with it, as far as its source knows. Changes nothing.</summary>
internal static class DiskPreflight
{
    /// <summary>Adds what there is to say, and returns the disks; none where they are not to move.</summary>
    public static async Task<IReadOnlyList<VmDisk>> CheckAsync(
        IMigrationHost source, VmDescription vm, StateContents contents, MigrationOptions options, List<PreflightFinding> findings,
        CancellationToken cancellationToken)
    {
        if (!options.IncludeDisks || vm.State is not (VmState.Running or VmState.Paused)) return [];
        IReadOnlyList<VmDisk> disks = await source.ListVmDisksAsync(vm.Specification.Id, cancellationToken).ConfigureAwait(false);
        string name = vm.Specification.Name;
        if (disks.Count == 0)
        {
            findings.Add(new(PreflightSeverity.Information, "Disks", $"'{name}' has no disks that could move with it."));
            return disks;
        }

        foreach (VmDisk disk in disks.Where(disk => disk.Refused is not null))
        {
            findings.Add(new(PreflightSeverity.Error, "SourceDisks", $"{disk.Name} of '{name}' cannot move while it runs: {disk.Refused}",
                "Mend that, or migrate without disks between hosts that share the storage."));
        }

        if (contents == StateContents.DevicesAndMemory)
        {
            MigrationException refusal = DiskRefusals.HypervisorMigration(name, vm.Capabilities?.EngineMigrationRefused);
            findings.Add(new(PreflightSeverity.Error, "SourceDisks", refusal.Message, refusal.RecommendedAction));
        }

        return disks;
    }
}
