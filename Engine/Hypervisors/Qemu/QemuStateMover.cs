namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Pauses, resumes, saves and loads one QEMU, and keeps what is known of its run state: in the downtime nothing is asked that is known.
/// </summary>
internal sealed class QemuStateMover
{
    private readonly QemuProcess process;
    private readonly QemuVmDirectory directory;
    private readonly string? ramObstacle;
    private QemuStatus status;
    private StateContents preparedFor;

    /// <param name="process">The QEMU.</param>
    /// <param name="directory">Where its sockets are.</param>
    /// <param name="status">What it is doing now.</param>
    /// <param name="ramObstacle">Why its RAM cannot be left out of its state; null where it can.</param>
    public QemuStateMover(QemuProcess process, QemuVmDirectory directory, QemuStatus status, string? ramObstacle)
    {
        this.process = process;
        this.directory = directory;
        this.status = status;
        this.ramObstacle = ramObstacle;
        preparedFor = status.State == VmState.Incoming ? StateContents.Invalid : StateContents.Devices;
    }

    private static QemuStatus Running { get; } = new(VmState.Running, "running");

    private static QemuStatus Paused { get; } = new(VmState.Paused, "paused");

    /// <summary>Stops the vCPUs; QEMU answers when they stand and all disk requests are done.</summary>
    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        if (status.State == VmState.Incoming) throw WrongState("paused");
        await process.Qmp.ExecuteAsync("stop", cancellationToken).ConfigureAwait(false);
        if (status.State == VmState.Running) status = Paused;
    }

    /// <summary>Starts the vCPUs, and takes the disks back after a save.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        // QEMU would take it as a wish to run as soon as the state is there.
        if (status.State == VmState.Incoming) throw WrongState("resumed");
        using QmpEventStream resumed = process.Qmp.Subscribe("RESUME");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task resumption = resumed.ReadAsync(stop.Token);
        Task answer = process.Qmp.ExecuteAsync("cont", stop.Token);

        // The answer comes some milliseconds after the event: QEMU's main loop waits for the lock that the vCPUs now hold most of the
        // time. A refusal comes without the event, and so does the answer of a VM that runs already.
        Task first = await Task.WhenAny(resumption, answer).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(resumption, answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first.ConfigureAwait(false);
        status = Running;
    }

    /// <summary>
    /// Does what can be done for a save before the downtime. A paused VM whose state was saved before is run for a moment, because QEMU
    /// refuses to save it again; see <see cref="QemuStatus.IsSaved"/>.
    /// </summary>
    public async Task PrepareSaveAsync(StateContents contents, CancellationToken cancellationToken)
    {
        if (status.IsSaved)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                // Once begun it is not cancelled: the guest, which is meant to be paused, would run on.
                await ResumeAsync(CancellationToken.None).ConfigureAwait(false);
            }
            finally
            {
                await PauseAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }

        if (preparedFor == contents) return;
        await QemuStateTransfer.SetUpAsync(process.Qmp, contents, cancellationToken).ConfigureAwait(false);
        preparedFor = contents;
    }

    /// <summary>Pauses the VM by beginning to save its devices; see <see cref="IVirtualMachine.PauseForSaveAsync"/>.</summary>
    public async Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken)
    {
        CheckDevicesOnly();
        await PrepareSaveAsync(StateContents.Devices, cancellationToken).ConfigureAwait(false);
        QemuStateSave save = await StartSaveAsync(destination, cancellationToken).ConfigureAwait(false);
        var pausedSave = new PausedSave(this, save);
        try
        {
            await save.WaitUntilPausedAsync(cancellationToken).ConfigureAwait(false);
            status = Paused;
            return pausedSave;
        }
        catch
        {
            await pausedSave.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Relays the state to <paramref name="destination"/> while QEMU writes it.</summary>
    public async Task SaveAsync(Stream destination, StateContents contents, CancellationToken cancellationToken)
    {
        if (status.State == VmState.Incoming) throw WrongState("saved");
        if (contents == StateContents.Devices)
        {
            // QEMU would pause the VM by itself, after the caller has read the memory.
            if (status.State != VmState.Paused) throw WrongState("saved without its memory");
            await using IStateSave paused = await PauseForSaveAsync(destination, cancellationToken).ConfigureAwait(false);
            await paused.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        await PrepareSaveAsync(contents, cancellationToken).ConfigureAwait(false);
        QemuStateSave save = await StartSaveAsync(destination, cancellationToken).ConfigureAwait(false);
        await FinishAsync(save, () => save.FinishAsync(cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Feeds the state to QEMU, which is paused afterwards; false where it refused, and ended.</summary>
    public async Task<bool> LoadAsync(Stream source, CancellationToken cancellationToken)
    {
        if (status.State != VmState.Incoming || directory.IncomingSocket is not { } socket) throw WrongState("given a state");
        if (!await QemuStateTransfer.LoadAsync(process.Qmp, socket, source, cancellationToken).ConfigureAwait(false)) return false;
        status = Paused;
        return true;
    }

    private void CheckDevicesOnly()
    {
        if (ramObstacle is not null)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"The state cannot be saved without the memory. {ramObstacle}",
                "Use the hypervisor's own migration.");
        }

        if (status.State == VmState.Incoming) throw WrongState("saved");
    }

    private Task<QemuStateSave> StartSaveAsync(Stream destination, CancellationToken cancellationToken) =>
        QemuStateSave.StartAsync(process.Qmp, directory.ChooseOutgoingSocket(), destination, cancellationToken);

    /// <summary>Runs what ends a save, and finds out what QEMU does afterwards.</summary>
    private async Task FinishAsync(QemuStateSave save, Func<Task> finish)
    {
        bool saved = false;
        try
        {
            await finish().ConfigureAwait(false);
            saved = true;
        }
        finally
        {
            await save.DisposeAsync().ConfigureAwait(false);
            status = saved ? new(VmState.Paused, "postmigrate") : await ReadStatusAfterFailureAsync().ConfigureAwait(false);
        }
    }

    private async Task<QemuStatus> ReadStatusAfterFailureAsync()
    {
        try
        {
            return await QemuStatus.ReadAsync(process.Qmp, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            return new(VmState.Failed, "gone");
        }
    }

    private MigrationException WrongState(string what) => new(
        MigrationErrorReason.InvalidState, $"A VM that is {status.State} cannot be {what}.");

    /// <summary>A save that waits at the pause. QEMU lets a VM that ran run again by itself where its migration is cancelled.</summary>
    private sealed class PausedSave(QemuStateMover mover, QemuStateSave save) : IStateSave
    {
        private bool ended;

        public async Task CompleteAsync(CancellationToken cancellationToken)
        {
            ended = true;
            await mover.FinishAsync(save, async () =>
            {
                await save.ContinueAsync(cancellationToken).ConfigureAwait(false);
                await save.FinishAsync(cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            if (ended) return;
            ended = true;
            await save.DisposeAsync().ConfigureAwait(false);
            mover.status = await mover.ReadStatusAfterFailureAsync().ConfigureAwait(false);
        }
    }
}
