using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;

namespace VmMigration.Engine.Hosts;

/// <summary>Describes the disks of a host's VMs as they would move; see <see cref="IMigrationHost.ListVmDisksAsync"/>.</summary>
internal sealed class VmDiskListing(VmRegistry registry, LocalHostDisks disks)
{
    public async Task<IReadOnlyList<VmDisk>> ListAsync(Guid vmId, CancellationToken cancellationToken)
    {
        VmSlot slot = registry.Find(vmId);
        if (slot.Present.Machine is not { } machine)
        {
            throw VmRefusals.InvalidState(
                slot, await slot.AskStateAsync(cancellationToken).ConfigureAwait(false), "only a VM that runs or is paused moves with its disks",
                "Start it first, or copy its disks with disk transfers.");
        }

        if (machine.Disks is not { } open) return [];
        List<VmDisk> described = [];
        IReadOnlyList<VmDiskNode> nodes = await open.FindAsync(cancellationToken).ConfigureAwait(false);
        for (int index = 0; index < nodes.Count; index++)
        {
            QemuDisk? disk = index < open.Specified.Count ? open.Specified[index] : null;
            described.Add(await DescribeAsync(slot, nodes[index], disk, cancellationToken).ConfigureAwait(false));
        }

        return described;
    }

    private async Task<VmDisk> DescribeAsync(VmSlot slot, VmDiskNode node, QemuDisk? disk, CancellationToken cancellationToken)
    {
        string? refused = node.Refused ?? (slot.Present.Registered && !node.ReadOnly
            ? $"Something else started '{slot.Name}' and would start it again from '{node.Path}': after a migration that did not complete,"
                + " what the guest wrote to the overlay would be missing. Define the VM on this host and start it here."
            : null);
        DiskDescription? image = null;
        try
        {
            image = await disks.DescribeDiskAsync(disk?.Base?.Path ?? node.Path, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            refused ??= $"{error.Message} {error.RecommendedAction}".TrimEnd();
        }

        return new() { Name = node.Name, Path = node.Path, Image = image, ReadOnly = node.ReadOnly, Refused = refused };
    }
}
