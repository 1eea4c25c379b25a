using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hosts;

/// <summary>What a host tells of the memory of its VMs, and does to it.</summary>
internal sealed class LocalHostMemory(VmRegistry registry)
{
    /// <inheritdoc cref="IMigrationHost.ListPoisonedPagesAsync"/>
    public Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        MachineOf(vmId).FindPoisonedPagesAsync(cancellationToken);

    /// <inheritdoc cref="IMigrationHost.AddPoisonedPagesAsync"/>
    public Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <inheritdoc cref="IMigrationHost.ReadLargePagesAsync"/>
    public Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        Task.Run(() => MachineOf(vmId).ReadLargePageCoverage(), cancellationToken);

    private IVirtualMachine MachineOf(Guid vmId)
    {
        VmSlot slot = registry.Find(vmId);
        return slot.Present.Machine ?? throw new MigrationException(
            MigrationErrorReason.InvalidState, $"'{slot.Name}' has no memory: it is stopped.", "Start the VM first.");
    }
}
