using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>What a host tells of the memory of its VMs, and does to it.</summary>
internal sealed class LocalHostMemory(VmRegistry registry)
{
    // A switchover takes less; what takes longer is a migration by the hypervisor itself, or one that is in post-copy.
    private static readonly TimeSpan runStateLimit = TimeSpan.FromSeconds(10);

    /// <inheritdoc cref="IMigrationHost.ListPoisonedPagesAsync"/>
    public Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        MachineOf(registry.Find(vmId)).FindPoisonedPagesAsync(cancellationToken);

    /// <inheritdoc cref="IMigrationHost.AddPoisonedPagesAsync"/>
    /// <remarks>
    /// A page may turn bad at any time, so a migration under way does not keep this out, except at its set-up and its switchover, which
    /// rely on nobody else pausing and resuming the VM. A VM that misses memory takes none either: its pause may have to wait for a page.
    /// </remarks>
    public async Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken)
    {
        VmSlot slot = registry.Find(vmId);
        using AsyncLock.Holder runState = await EnterRunStateAsync(slot, cancellationToken).ConfigureAwait(false);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (slot.Present.Ownership == VmOwnership.Incoming || slot.Present.InPostcopy)
        {
            VmRefusals.RequireNoMigration(slot, "given poisoned pages");
        }

        IVirtualMachine machine = MachineOf(slot);
        await machine.FindPoisonedPagesAsync(cancellationToken).ConfigureAwait(false);
        GuestPhysicalMap map = await machine.ReadGuestPhysicalMapAsync(cancellationToken).ConfigureAwait(false);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        PoisonedPage[] added =
        [
            .. guestPhysicalAddresses.Select(address => PageAt(slot, map, address)).Distinct().Order()
                .Where(page => !machine.Memory.Poisoned.Contains(page))
                .Select(page => new PoisonedPage(page, PoisonSource.Injected, now)
                {
                    GuestPhysicalAddress = map.AddressOf(page << GuestMemory.PageShift),
                }),
        ];
        if (added.Length > 0) await PoisonAsync(slot, machine, added, cancellationToken).ConfigureAwait(false);
        return added;
    }

    /// <inheritdoc cref="IMigrationHost.ReadLargePagesAsync"/>
    public Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken) =>
        Task.Run(() => MachineOf(registry.Find(vmId)).ReadLargePageCoverage(), cancellationToken);

    private static async Task PoisonAsync(
        VmSlot slot, IVirtualMachine machine, IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken)
    {
        VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
        bool paused = false;
        try
        {
            if (state == VmState.Running)
            {
                paused = true;
                await machine.PauseAsync(cancellationToken).ConfigureAwait(false);
            }

            await machine.PoisonAsync(pages, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Whatever failed: it ran before.
            if (paused && !machine.Exited.IsCompleted) await machine.ResumeAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static async Task<AsyncLock.Holder> EnterRunStateAsync(VmSlot slot, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(runStateLimit);
        try
        {
            return await slot.RunState.EnterAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState,
                $"'{slot.Name}' is being switched over, or moved by its hypervisor: no page can be poisoned now.",
                "Wait for the migration, or stop it first.", error);
        }
    }

    private static long PageAt(VmSlot slot, GuestPhysicalMap map, long address) => map.OffsetOf(address) is { } offset
        ? offset >> GuestMemory.PageShift
        : throw new MigrationException(
            MigrationErrorReason.InvalidArgument, $"'{slot.Name}' has no RAM at guest-physical address 0x{address:x}.",
            "RAM is at "
            + string.Join(", ", map.Ranges.Select(range => $"0x{range.Address:x}-0x{range.Address + range.LengthBytes - 1:x}")) + ".");

    private static IVirtualMachine MachineOf(VmSlot slot) => slot.Present.Machine ?? throw new MigrationException(
        MigrationErrorReason.InvalidState, $"'{slot.Name}' has no memory: it is stopped.", "Start the VM first.");
}
