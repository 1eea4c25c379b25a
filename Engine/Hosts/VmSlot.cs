using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The place of one VM on a host: its specification, what is known of it, and the lock that serializes what changes it. Reading needs no
/// lock, so that a VM can be described while a long operation holds it.
/// </summary>
internal sealed class VmSlot
{
    private readonly AsyncLock gate = new();
    private readonly Lock interruption = new();
    private readonly HostJournal journal;
    private readonly ILogger log;
    private volatile VmSlotState present;
    private volatile VmSpecification specification;
    private CancellationTokenSource? shutdown;

    public VmSlot(VmSpecification specification, VmSlotState present, HostJournal journal, ILogger log)
    {
        this.specification = specification;
        this.present = present;
        this.journal = journal;
        this.log = log.ForContext("Vm", specification.Name);
    }

    /// <summary>What the VM is to be made from; the specification of a running one also says what its hypervisor chose.</summary>
    public VmSpecification Specification => specification;

    /// <summary>
    /// Held by whoever pauses and resumes the VM while a migration may have it. Entered before the VM's own lock, never behind it.
    /// </summary>
    public AsyncLock RunState { get; } = new();

    /// <summary>Name of the VM.</summary>
    public string Name => Specification.Name;

    /// <summary>What is known now. Set only by the holder of the lock.</summary>
    public VmSlotState Present
    {
        get => present;
        set => present = value;
    }

    /// <summary>Waits for the VM's lock.</summary>
    /// <returns>Gives the lock back when disposed.</returns>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmNotFound"/> where the VM was removed meanwhile, <see cref="MigrationErrorReason.InvalidState"/> where
    /// the host was closed.
    /// </exception>
    public async Task<AsyncLock.Holder> EnterAsync(CancellationToken cancellationToken)
    {
        AsyncLock.Holder holder = await gate.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (present is { Removed: false, HostClosed: false }) return holder;
        holder.Dispose();
        throw present.HostClosed ? VmRegistry.HostClosed() : VmRegistry.NotFound(Specification.Id.ToString());
    }

    /// <summary>Waits for the VM's lock even where the VM was removed: for what must happen in any case.</summary>
    public Task<AsyncLock.Holder> EnterAnywayAsync() => gate.EnterAsync(CancellationToken.None);

    /// <summary>
    /// Records the state in the journal and makes it the present one. Where the journal fails, the present state stays: for what is about to
    /// be true.
    /// </summary>
    public void Save(VmSlotState next)
    {
        Write(next);
        present = next;
    }

    /// <summary>Makes the state the present one and records it: for what is true whether or not the journal can be written.</summary>
    public void SaveFact(VmSlotState next)
    {
        try
        {
            Write(next);
        }
        finally
        {
            present = next;
        }
    }

    /// <summary>
    /// Changes what the VM is to be made from, and what the specification of its process says, and records both. Only the holder of the lock
    /// calls it. Where the journal fails nothing has changed.
    /// </summary>
    public void SpecifyDisks(IReadOnlyList<QemuDisk> disks)
    {
        VmSpecification before = specification;
        IVmDisks? ofProcess = present.Machine?.Disks;
        IReadOnlyList<QemuDisk>? specified = ofProcess?.Specified;
        specification = before with { Qemu = before.Qemu! with { Disks = disks } };
        ofProcess?.Specify(disks);
        try
        {
            Write(present);
        }
        catch
        {
            specification = before;
            if (specified is not null) ofProcess!.Specify(specified);
            throw;
        }
    }

    /// <summary>Takes a VM in and notices when it ends by itself. The VM stays in, and watched, where the journal cannot be written.</summary>
    public void Attach(IVirtualMachine machine, VmSlotState next)
    {
        _ = WatchAsync(machine);
        SaveFact(next with { Machine = machine, Unreached = null, Ending = false });
    }

    /// <summary>Ends the VM and removes what it has on the machine, then records <paramref name="next"/> without it.</summary>
    public async Task EndMachineAsync(IVirtualMachine machine, VmSlotState next)
    {
        present = present with { Ending = true };
        try
        {
            await machine.DestroyAsync().ConfigureAwait(false);
            await machine.DisposeAsync().ConfigureAwait(false);
        }
        catch
        {
            // It is still there, in whatever state, and can be ended again.
            present = present with { Ending = false };
            throw;
        }

        SaveFact(next with { Machine = null, Unreached = null, Ending = false });
    }

    /// <summary>
    /// Lets go of the VM because the host closes; nothing enters any more. The journal keeps it, so that a host made again on it finds the VM.
    /// </summary>
    /// <param name="destroyUnlessRegistered">Whether to end the VM too, unless something else started it.</param>
    public async ValueTask CloseAsync(bool destroyUnlessRegistered)
    {
        InterruptShutdown();
        using AsyncLock.Holder holder = await EnterAnywayAsync().ConfigureAwait(false);
        VmSlotState known = present;
        present = known with { Machine = null, HostClosed = true };
        if (known.Machine is not { } machine) return;
        if (destroyUnlessRegistered && !known.Registered) await machine.DestroyAsync().ConfigureAwait(false);
        await machine.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Runs a shutdown that <see cref="InterruptShutdown"/> can cut short. Only the holder of the lock calls it.
    /// </summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it was cut short.</exception>
    public async Task ShutdownAsync(Func<CancellationToken, Task> shutdownAsync, CancellationToken cancellationToken)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lock (interruption) shutdown = source;
        try
        {
            await shutdownAsync(source.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(MigrationErrorReason.InvalidState,
                $"The shutdown of '{Name}' was overtaken by a forced stop or the closing of the host.", innerException: e);
        }
        finally
        {
            // After this nobody can cancel the source, so it can be disposed.
            lock (interruption) shutdown = null;
        }
    }

    /// <summary>Cuts a running shutdown short, so that its lock comes free; does nothing where none runs.</summary>
    public void InterruptShutdown()
    {
        lock (interruption) shutdown?.Cancel();
    }

    /// <summary>Asks what the VM is doing, without the lock.</summary>
    public async Task<VmState> AskStateAsync(CancellationToken cancellationToken) =>
        (await AskAsync(cancellationToken).ConfigureAwait(false)).State;

    /// <summary>Describes the VM, without the lock.</summary>
    public async Task<VmDescription> DescribeAsync(string hostName, CancellationToken cancellationToken)
    {
        (VmSlotState known, VmState state, string? failure) = await AskAsync(cancellationToken).ConfigureAwait(false);
        IVirtualMachine? machine = state == VmState.Stopped ? null : known.Machine;
        return new()
        {
            Specification = machine?.Specification ?? Specification,
            HostName = hostName,
            State = state,
            Instance = machine?.Instance,
            Capabilities = machine?.Capabilities,
            MigrationId = known.MigrationId,
            FailureMessage = failure,
        };
    }

    /// <summary>Clears away a VM that ended by itself. Only the holder of the lock calls it.</summary>
    public async Task MarkExitedAsync(IVirtualMachine machine, string how)
    {
        bool wanted = present.ShutdownAsked;
        if (wanted) log.Information("The guest followed a late shutdown: {How}", how);
        else log.Error("The VM ended by itself: {How}", how);
        // At once, so that nobody sees it stopped in between.
        present = present with { Failure = wanted ? null : how, ShutdownAsked = false };
        await EndMachineAsync(machine, present).ConfigureAwait(false);
    }

    /// <summary>What is known of the VM, and what it was doing at that moment.</summary>
    private async Task<(VmSlotState Known, VmState State, string? Failure)> AskAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            VmSlotState asked = present;
            VmState withoutProcess = HasFailed(asked) ? VmState.Failed : VmState.Stopped;
            if (asked.Ownership == VmOwnership.Incoming) return (asked, VmState.Incoming, null);
            if (asked.Machine is null) return (asked, withoutProcess, asked.Failure);
            string gone = "Its process has ended.";
            try
            {
                VmState state = await asked.Machine.GetStateAsync(cancellationToken).ConfigureAwait(false);
                if (state != VmState.Stopped) return (asked, state, asked.Failure);
            }
            catch (Exception e) when (e is MigrationException or ObjectDisposedException)
            {
                gone = e.Message;
            }

            // The answer is about a VM that was replaced while it was asked: ask again.
            if (!ReferenceEquals(asked, present)) continue;
            if (asked.Ending) return (asked, withoutProcess, asked.Failure);
            // A source that has given its VM away ends its paused copy by itself; the slot goes a moment later.
            bool givenAway = asked.MigrationId is not null && journal.FindVm(Specification.Id) is not { Ownership: VmOwnership.Owned };
            return givenAway ? (asked, VmState.Paused, null) : (asked, VmState.Failed, gone);
        }
    }

    /// <summary>Whether a VM without process is failed: of one that may not run here, the failure message says that and no more.</summary>
    private static bool HasFailed(VmSlotState state) =>
        state.Unreached is not null || (state.Failure is not null && state.Ownership == VmOwnership.Owned);

    private void Write(VmSlotState next) => journal.SaveVm(new()
    {
        Specification = Specification,
        RunningSpecification = next.Machine?.Specification ?? next.Unreached?.Specification,
        Instance = next.Machine?.Instance ?? next.Unreached?.Instance,
        Ownership = next.Ownership,
        Registered = next.Registered,
        MeantToRun = next.MeantToRun,
    });

    private async Task WatchAsync(IVirtualMachine machine)
    {
        string how = await machine.Exited.ConfigureAwait(false);
        try
        {
            using AsyncLock.Holder holder = await EnterAnywayAsync().ConfigureAwait(false);
            // While a migration has the VM, its end is the migration's to handle.
            if (!ReferenceEquals(present.Machine, machine) || present.MigrationId is not null) return;
            await MarkExitedAsync(machine, how).ConfigureAwait(false);
        }
        catch (Exception e) when (e is MigrationException or IOException or UnauthorizedAccessException)
        {
            // What it left behind is cleared away when it is stopped or removed.
            log.Error(e, "The end of {VmId} could not be cleared away and recorded", Specification.Id);
        }
    }
}
