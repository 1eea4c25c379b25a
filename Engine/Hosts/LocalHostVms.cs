using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The life of a host's VMs. Operations on one VM wait for each other; operations on different VMs go on side by side. An operation that
/// fails leaves the VM as it was, or says what became of it.
/// </summary>
internal sealed class LocalHostVms(
    string hostName, TimeSpan shutdownTimeout, VmRegistry registry, HypervisorSet hypervisors, HostJournal journal, OverlayMerges merges,
    ILogger log)
{
    /// <inheritdoc cref="IMigrationHost.CreateVmAsync"/>
    public async Task<VmDescription> CreateAsync(VmSpecification specification, CancellationToken cancellationToken)
    {
        VmSpecificationCheck.Require(specification);
        _ = hypervisors.For(specification);
        var slot = new VmSlot(specification, new VmSlotState(), journal, log);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        registry.Add(slot);
        try
        {
            slot.Save(slot.Present);
        }
        catch
        {
            Forget(slot);
            throw;
        }

        log.Information("Created VM {Vm} ({VmId})", slot.Name, specification.Id);
        return await slot.DescribeAsync(hostName, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="IMigrationHost.RegisterVmAsync"/>
    public async Task<VmDescription> RegisterAsync(VmRegistration registration, CancellationToken cancellationToken)
    {
        IVirtualMachine machine = await hypervisors.RegisterAsync(registration, cancellationToken).ConfigureAwait(false);
        var slot = new VmSlot(machine.Specification, new VmSlotState { Registered = true }, journal, log);
        using AsyncLock.Holder holder = await slot.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        bool added = false;
        try
        {
            VmSpecificationCheck.Require(machine.Specification);
            VmState state = await machine.GetStateAsync(cancellationToken).ConfigureAwait(false);
            registry.Add(slot);
            added = true;
            slot.Attach(machine, slot.Present with { MeantToRun = state == VmState.Running });
        }
        catch
        {
            // Whatever failed, the VM is somebody else's and goes on.
            slot.Present = slot.Present with { Machine = null };
            await machine.DisposeAsync().ConfigureAwait(false);
            if (added) Forget(slot);
            throw;
        }

        log.Information("Registered VM {Vm} ({VmId}) at {QmpSocketPath}", slot.Name, slot.Specification.Id, registration.QmpSocketPath);
        return await slot.DescribeAsync(hostName, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="IMigrationHost.ListVmsAsync"/>
    public async Task<IReadOnlyList<VmDescription>> ListAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(registry.List().Select(slot => slot.DescribeAsync(hostName, cancellationToken))).ConfigureAwait(false);

    /// <inheritdoc cref="IMigrationHost.GetVmAsync"/>
    public Task<VmDescription> GetAsync(Guid vmId, CancellationToken cancellationToken) =>
        registry.Find(vmId).DescribeAsync(hostName, cancellationToken);

    /// <inheritdoc cref="IMigrationHost.StartVmAsync"/>
    public Task<VmDescription> StartAsync(Guid vmId, CancellationToken cancellationToken) =>
        ChangeAsync(vmId, "started", ownedOnly: true, StartAsync, cancellationToken);

    /// <inheritdoc cref="IMigrationHost.StopVmAsync"/>
    public Task<VmDescription> StopAsync(Guid vmId, bool force, CancellationToken cancellationToken)
    {
        // A forced stop does not wait for a guest that takes its time over a shutdown.
        if (force) registry.Find(vmId).InterruptShutdown();
        return ChangeAsync(
            vmId, "stopped", ownedOnly: false, (slot, token) => StopAsync(slot, force, token), cancellationToken, evenInPostcopy: force);
    }

    /// <inheritdoc cref="IMigrationHost.PauseVmAsync"/>
    public Task<VmDescription> PauseAsync(Guid vmId, CancellationToken cancellationToken) =>
        ChangeAsync(vmId, "paused", ownedOnly: false, PauseAsync, cancellationToken);

    /// <inheritdoc cref="IMigrationHost.ResumeVmAsync"/>
    public Task<VmDescription> ResumeAsync(Guid vmId, CancellationToken cancellationToken) =>
        ChangeAsync(vmId, "resumed", ownedOnly: true, ResumeAsync, cancellationToken);

    /// <inheritdoc cref="IMigrationHost.RemoveVmAsync"/>
    public async Task RemoveAsync(Guid vmId, CancellationToken cancellationToken)
    {
        VmSlot slot = registry.Find(vmId);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        VmRefusals.RequireNoMigration(slot, "removed");
        if (slot.Present.Machine is not null || slot.Present.Unreached is not null)
        {
            VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
            throw VmRefusals.InvalidState(slot, state, "only a VM that has no process any more can be removed", "Stop it first.");
        }

        journal.DeleteVm(vmId);
        Forget(slot);
        log.Information("Removed VM {Vm} ({VmId})", slot.Name, vmId);
    }

    private async Task<VmDescription> ChangeAsync(
        Guid vmId, string operation, bool ownedOnly, Func<VmSlot, CancellationToken, Task> change, CancellationToken cancellationToken,
        bool evenInPostcopy = false)
    {
        VmSlot slot = registry.Find(vmId);
        using AsyncLock.Holder holder = await slot.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (!evenInPostcopy || !slot.Present.InPostcopy) VmRefusals.RequireNoMigration(slot, operation);
        if (ownedOnly) VmRefusals.RequireOwned(slot, operation);
        await change(slot, cancellationToken).ConfigureAwait(false);
        log.Information("VM {Vm} ({VmId}) was {Operation}", slot.Name, vmId, operation);
        return await slot.DescribeAsync(hostName, cancellationToken).ConfigureAwait(false);
    }

    private async Task StartAsync(VmSlot slot, CancellationToken cancellationToken)
    {
        VmSlotState known = slot.Present;
        if (known.Machine is not null)
        {
            VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
            throw VmRefusals.InvalidState(slot, state, "only a Stopped or Failed VM can be started",
                state == VmState.Paused ? "Resume it instead." : "Stop it first, with force where it does not answer.");
        }

        // The old process may be alive after all; a second one on the same disks would destroy them.
        if (await TryReachAsync(slot, cancellationToken).ConfigureAwait(false)) return;
        if (known.Registered)
        {
            throw VmRefusals.InvalidState(slot, VmState.Stopped,
                "something else started it, and only that can start it again", "Start it as before, then register it again.");
        }

        IVirtualMachine machine =
            await hypervisors.For(slot.Specification).StartAsync(slot.Specification, cancellationToken).ConfigureAwait(false);
        try
        {
            slot.Attach(machine, known with { Failure = null, MeantToRun = true, ShutdownAsked = false });
            merges.Begin(slot);
        }
        catch
        {
            // A VM that is not in the journal would be lost with the engine.
            slot.Present = known;
            await machine.DestroyAsync().ConfigureAwait(false);
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task StopAsync(VmSlot slot, bool force, CancellationToken cancellationToken)
    {
        bool unreached = slot.Present.Unreached is not null;
        if (force && slot.Present is { Unreached: { } process, Registered: false } lost && hypervisors.End is { } end)
        {
            // It may wait for a page that never comes, and then answers nobody who would attach to it.
            await end(process.Instance).ConfigureAwait(false);
            slot.SaveFact(OnceStopped(lost) with { Unreached = null });
            log.Warning("Ended VM {Vm}, process {ProcessId}, which could not be reached", slot.Name, process.Instance.ProcessId);
            return;
        }

        if (unreached) await TryReachAsync(slot, cancellationToken).ConfigureAwait(false);
        VmSlotState known = slot.Present;
        VmSlotState stopped = OnceStopped(known);
        if (known.Machine is not { } machine)
        {
            if (!unreached && (known.Failure is null || known.Ownership != VmOwnership.Owned))
            {
                throw VmRefusals.InvalidState(slot, VmState.Stopped, "only a Running, Paused or Failed VM can be stopped");
            }

            slot.Save(stopped);
            return;
        }

        if (!force)
        {
            VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
            if (state != VmState.Running)
            {
                throw VmRefusals.InvalidState(slot, state, "only the guest of a Running VM can shut itself down", "Stop it with force.");
            }

            slot.Present = known with { Ending = true };
            try
            {
                await slot.ShutdownAsync(token => machine.ShutdownAsync(shutdownTimeout, token), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                slot.Present = known with { ShutdownAsked = true };
                throw;
            }
        }

        await slot.EndMachineAsync(machine, stopped).ConfigureAwait(false);
    }

    private static async Task PauseAsync(VmSlot slot, CancellationToken cancellationToken)
    {
        IVirtualMachine machine =
            await RequireStateAsync(slot, VmState.Running, "only a Running VM can be paused", cancellationToken).ConfigureAwait(false);
        await machine.PauseAsync(cancellationToken).ConfigureAwait(false);
        slot.SaveFact(slot.Present with { MeantToRun = false });
    }

    private static async Task ResumeAsync(VmSlot slot, CancellationToken cancellationToken)
    {
        IVirtualMachine machine =
            await RequireStateAsync(slot, VmState.Paused, "only a Paused VM can be resumed", cancellationToken).ConfigureAwait(false);
        await machine.ResumeAsync(cancellationToken).ConfigureAwait(false);
        slot.SaveFact(slot.Present with { MeantToRun = true });
    }

    private static async Task<IVirtualMachine> RequireStateAsync(
        VmSlot slot, VmState required, string allowed, CancellationToken cancellationToken)
    {
        VmState state = await slot.AskStateAsync(cancellationToken).ConfigureAwait(false);
        return state == required && slot.Present.Machine is { } machine
            ? machine
            : throw VmRefusals.InvalidState(slot, state, allowed, state is VmState.Stopped or VmState.Failed ? "Start it first." : null);
    }

    /// <summary>Attaches to a process that could not be reached before; false where there is none or it ended.</summary>
    private async Task<bool> TryReachAsync(VmSlot slot, CancellationToken cancellationToken)
    {
        if (slot.Present.Unreached is not { } unreached) return false;
        try
        {
            IVirtualMachine machine = await hypervisors.For(slot.Specification)
                .AdoptAsync(unreached.Specification, unreached.Instance, cancellationToken).ConfigureAwait(false);
            slot.Attach(machine, slot.Present with { Failure = FailureOnceStopped(slot.Present) });
            return true;
        }
        catch (MigrationException e) when (e.Reason == MigrationErrorReason.VmExited)
        {
            log.Information("VM {Vm} ended while it could not be reached: {Message}", slot.Name, e.Message);
            slot.SaveFact(slot.Present with { Unreached = null });
            return false;
        }
    }

    private static VmSlotState OnceStopped(VmSlotState state) =>
        state with { Failure = FailureOnceStopped(state), MeantToRun = false, ShutdownAsked = false };

    /// <summary>A failure goes with the process; that the VM may not run here stays.</summary>
    private static string? FailureOnceStopped(VmSlotState state) => state.Ownership == VmOwnership.Owned ? null : state.Failure;

    private void Forget(VmSlot slot)
    {
        slot.Present = slot.Present with { Removed = true };
        registry.Remove(slot);
    }
}
