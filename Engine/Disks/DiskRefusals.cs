namespace VmMigration.Engine.Disks;

/// <summary>The refusals that several parts of a disk transfer share.</summary>
internal static class DiskRefusals
{
    /// <summary>Refuses a disk that changes under the copy.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskInUse"/>.</exception>
    public static void RequireUnwritten(DiskDescription disk)
    {
        if (!disk.IsBeingWritten) return;
        throw new MigrationException(
            MigrationErrorReason.DiskInUse, $"'{disk.Path}' on host '{disk.HostName}' is being written: a copy would be torn.",
            "Stop the VM that has the disk, or migrate the VM with its disks.");
    }

    /// <summary>The error for a fragment that is not there.</summary>
    public static MigrationException FragmentNotFound(Guid fragmentId, string hostName) => new(
        MigrationErrorReason.DiskFragmentNotFound, $"Host '{hostName}' keeps no fragment {fragmentId}.",
        "List the fragments: one that is gone on from has the id of its last transfer.");

    /// <summary>The error for a transfer that is not known.</summary>
    public static MigrationException TransferNotFound(Guid transferId, string hostName) => new(
        MigrationErrorReason.DiskTransferNotFound, $"No disk transfer {transferId} is known on host '{hostName}'.",
        "List the transfers of the host that has the disk to see their ids.");

    /// <summary>The error for a VM that cannot move with its disks because its hypervisor would carry the memory.</summary>
    /// <param name="vmName">The VM.</param>
    /// <param name="why">Why the engine cannot carry it; null where that was asked for.</param>
    public static MigrationException HypervisorMigration(string vmName, string? why) => new(
        MigrationErrorReason.PrerequisiteMissing,
        $"'{vmName}' cannot move with its disks by the hypervisor's own migration, which switches over without waiting for them:"
        + $" {why ?? "it was asked for."}",
        "Let the engine move the memory, or move the VM between hosts that share its storage.");
}
