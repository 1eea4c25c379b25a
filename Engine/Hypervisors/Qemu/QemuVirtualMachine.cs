using VmMigration.Engine.Memory;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>One QEMU process, driven over QMP. Its RAM is reached through the shared file that backs it.</summary>
internal sealed class QemuVirtualMachine : IVirtualMachine
{
    private readonly QemuProcess process;
    private readonly QemuRam ram;
    private readonly QemuVmDirectory directory;
    private readonly QemuStateMover state;
    private readonly QemuBrake brake;
    private readonly QemuLargePages largePages;
    private readonly QemuPoison poison;
    private readonly QemuWriteTraces writeTraces;
    private readonly QmpEventStream stops;
    private readonly Lock destroyLock = new();
    private Task? destroying;
    private long lastPausedAt;
    private volatile MissingPages? missingPages;
    private volatile VmSpecification specification;
    private volatile bool destroyed;
    private bool ended;
    private bool released;
    private bool disposed;

    /// <param name="specification">What the VM was made from.</param>
    /// <param name="instance">What identifies it.</param>
    /// <param name="process">Taken over, as <paramref name="ram"/> is.</param>
    /// <param name="ram">Its RAM.</param>
    /// <param name="directory">What it has on the machine.</param>
    /// <param name="status">What it is doing now.</param>
    /// <param name="features">What the kernel gives.</param>
    /// <param name="untracedWriter">What writes its memory past a write trace, in a sentence; null where nothing does.</param>
    /// <param name="largePagesRefused">
    /// Why its RAM was not made on the pages that were asked for; null where it was, or is not known.
    /// </param>
    public QemuVirtualMachine(
        VmSpecification specification, VmInstance instance, QemuProcess process, QemuRam ram, QemuVmDirectory directory,
        QemuStatus status, KernelFeatures features, string? untracedWriter, string? largePagesRefused)
    {
        this.specification = specification;
        Instance = instance;
        this.process = process;
        this.ram = ram;
        this.directory = directory;
        state = new QemuStateMover(process, directory, status, ram.Obstacle);
        brake = new QemuBrake(process);
        largePages = new QemuLargePages(process, ram, features);
        poison = new QemuPoison(process, ram, features);
        writeTraces = new QemuWriteTraces(process, ram, features);
        Capabilities = new(
            ram.Obstacle ?? writeTraces.Obstacle ?? untracedWriter, ram.Obstacle ?? largePages.PopulationObstacle, brake.FindObstacle(),
            CoarseTraceRefused: ram.Obstacle ?? writeTraces.CoarseRefused, PoisonRefused: poison.Refused,
            LargePagesRefused: largePages.FindRefusal(specification, largePagesRefused),
            PostcopyRefused: FindPostcopyObstacle(ram, features), PoisonFallback: poison.Fallback);
        Disks = new QemuDisks(process.Qmp, () => Specification.Qemu!.Disks, SpecifyDisks, directory.ChooseOutgoingSocket);
        stops = process.Qmp.Subscribe("STOP");
        QmpEventStream shutdowns = process.Qmp.Subscribe("SHUTDOWN");
        Exited = WatchAsync(shutdowns);
    }

    /// <inheritdoc/>
    public VmSpecification Specification => specification;

    /// <inheritdoc/>
    public VmInstance Instance { get; }

    /// <inheritdoc/>
    public VmCapabilities Capabilities { get; }

    /// <inheritdoc/>
    public GuestMemory Memory => ram.Memory;

    /// <inheritdoc/>
    public IVmDisks Disks { get; }

    /// <inheritdoc/>
    public Task<string> Exited { get; }

    /// <inheritdoc/>
    public long LastPausedAt
    {
        get
        {
            lock (stops)
            {
                while (stops.TryRead(out QmpEvent? stopped)) lastPausedAt = stopped.ReceivedAt;
                return lastPausedAt;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<VmState> GetStateAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (process.Handle.HasExited) return VmState.Failed;
            return missingPages is { RemainingCount: > 0 }
                ? await QemuMissingPages.ReadStateAsync(process, cancellationToken).ConfigureAwait(false)
                : (await QemuStatus.ReadAsync(process.Qmp, cancellationToken).ConfigureAwait(false)).State;
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            return VmState.Failed;
        }
    }

    /// <inheritdoc/>
    public Task PauseAsync(CancellationToken cancellationToken) => state.PauseAsync(cancellationToken);

    /// <inheritdoc/>
    public Task ResumeAsync(CancellationToken cancellationToken) => state.ResumeAsync(cancellationToken);

    /// <inheritdoc/>
    /// <remarks>
    /// A VM whose state was saved before and that was not resumed since is resumed and paused once: QEMU saves no state twice. The guest
    /// runs for a moment meanwhile, before the trace is armed.
    /// </remarks>
    public async Task<WriteTrace> StartWriteTraceAsync(int granularityBytes, CancellationToken cancellationToken)
    {
        if (Capabilities.EngineMigrationRefused is { } refused) throw Refused(refused);

        // Something else may have plugged one in over another monitor since the VM was attached.
        if (await UntracedWriters.FindAsync(process.Qmp, cancellationToken).ConfigureAwait(false) is { } writer) throw Refused(writer);
        await state.PrepareSaveAsync(StateContents.Devices, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => writeTraces.Start(granularityBytes), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public LargePageCoverage? ReadLargePageCoverage() => largePages.ReadCoverage();

    /// <inheritdoc/>
    public Task RestoreLargePagesAsync(CancellationToken cancellationToken) =>
        Task.Run(() => largePages.Restore(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PoisonedPage>> FindPoisonedPagesAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<PoisonedPage> pages = await poison.FindAsync(cancellationToken).ConfigureAwait(false);

        // A thread that waits for a missing page cannot be made to do anything else.
        if (missingPages is null or { RemainingCount: 0 }) await poison.KeepMarksAsync(cancellationToken).ConfigureAwait(false);
        return pages;
    }

    /// <inheritdoc/>
    public Task<GuestPhysicalMap> ReadGuestPhysicalMapAsync(CancellationToken cancellationToken) => poison.ReadMapAsync(cancellationToken);

    /// <inheritdoc/>
    public Task PoisonAsync(IReadOnlyList<PoisonedPage> pages, CancellationToken cancellationToken) =>
        Capabilities.PoisonRefused is { } refused
            ? throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"No page of '{Specification.Name}' can be made to fail: {refused}",
                Migration.PoisonRefusals.Action)
            : poison.MarkAsync(pages, cancellationToken);

    /// <inheritdoc/>
    public async Task<MissingPages> StartPostcopyAsync(PageSet missing, CancellationToken cancellationToken)
    {
        if (Capabilities.PostcopyRefused is { } refused) throw Refused(refused);
        missingPages = await Task.Run(() => QemuMissingPages.Start(process, ram, missing), cancellationToken).ConfigureAwait(false);
        return missingPages;
    }

    /// <inheritdoc/>
    public async Task<PageTablePopulator?> StartPopulationAsync(CancellationToken cancellationToken)
    {
        if (Capabilities.PopulationRefused is not null || ram.FilePath is not { } path) return null;
        return await Task.Run(
            () => Attach(largePages.PopulatorFeatures, userfaultfd => largePages.MakePopulator(userfaultfd, path)), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<IStateSave> PauseForSaveAsync(Stream destination, CancellationToken cancellationToken) =>
        state.PauseForSaveAsync(destination, cancellationToken);

    /// <inheritdoc/>
    public Task SaveStateAsync(Stream destination, StateContents contents, CancellationToken cancellationToken) =>
        state.SaveAsync(destination, contents, cancellationToken);

    /// <inheritdoc/>
    public async Task LoadStateAsync(Stream source, CancellationToken cancellationToken)
    {
        if (await state.LoadAsync(source, cancellationToken).ConfigureAwait(false)) return;
        string how = await Exited.WaitAsync(cancellationToken).ConfigureAwait(false);
        throw new MigrationException(
            MigrationErrorReason.HypervisorFailed, $"QEMU could not load the state: {how}",
            "Check that both hosts run the same version of QEMU, or one that has the source's machine type.");
    }

    /// <inheritdoc/>
    public Task SetVcpuShareAsync(double share, CancellationToken cancellationToken)
    {
        if (share < 1 && Capabilities.ThrottleRefused is { } refused) throw Refused(refused);
        return brake.SetAsync(share, cancellationToken);
    }

    /// <inheritdoc/>
    public long? ReadPageFaults() => ProcessStatistics.ReadPageFaults(process.Handle.ProcessId);

    /// <inheritdoc/>
    public async Task ShutdownAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (!Exited.IsCompleted)
        {
            VmState present = await GetStateAsync(cancellationToken).ConfigureAwait(false);
            if (present is VmState.Paused or VmState.Incoming)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidState, $"'{Specification.Name}' is {present} and cannot hear a request to shut down.",
                    "Resume the VM first, or end it with force.");
            }

            await PressPowerButtonAsync(timeout, cancellationToken).ConfigureAwait(false);
        }

        await DestroyAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task DestroyAsync()
    {
        lock (destroyLock)
        {
            // One that failed is tried again, from the step at which it failed.
            if (destroying is null or { IsFaulted: true }) destroying = DestroyOnceAsync();
            return destroying;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (disposed) return;
        disposed = true;
        await ReleaseAsync().ConfigureAwait(false);
    }

    /// <summary>Lets go of everything but the process; after a failure it can be called again for what is left.</summary>
    private async Task ReleaseAsync()
    {
        try
        {
            brake.Dispose();
        }
        finally
        {
            if (!released)
            {
                released = true;
                stops.Dispose();
                poison.Dispose();
                Memory.Dispose();
                await process.DisposeAsync().ConfigureAwait(false);
            }

            directory.Detach();
        }
    }

    private void SpecifyDisks(IReadOnlyList<QemuDisk> disks)
    {
        VmSpecification present = specification;
        specification = present with { Qemu = present.Qemu! with { Disks = disks } };
    }

    private async Task<string> WatchAsync(QmpEventStream shutdowns)
    {
        string how = await QemuExit.WatchAsync(process, shutdowns, directory.QemuLog, poison.ExplainCrash).ConfigureAwait(false);
        return destroyed ? $"The engine ended QEMU (process {Instance.ProcessId})." : how;
    }

    private async Task DestroyOnceAsync()
    {
        if (!ended)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            destroyed = !process.Handle.HasExited;
            await QemuInstanceFiles.KillAsync(process.Handle).ConfigureAwait(false);
            ended = true;
        }

        disposed = true;
        try
        {
            await ReleaseAsync().ConfigureAwait(false);
        }
        finally
        {
            directory.Delete();
        }
    }

    private async Task PressPowerButtonAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            await process.Qmp.ExecuteAsync("system_powerdown", cancellationToken).ConfigureAwait(false);
            await Exited.WaitAsync(timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException exception) when (exception.Reason == MigrationErrorReason.VmExited)
        {
            // It went down by itself in the same moment.
        }
        catch (TimeoutException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"'{Specification.Name}' did not shut down in {timeout.TotalSeconds:0} s.",
                "Look at the guest's console, or end the VM with force.", exception);
        }
    }

    private static string? FindPostcopyObstacle(QemuRam ram, KernelFeatures features) =>
        ram.Obstacle ?? features.PostcopyObstacle ?? QemuMissingPages.FindObstacle(ram);

    private T Attach<T>(UserfaultfdFeatures features, Func<Userfaultfd, T> make)
    {
        Userfaultfd userfaultfd = Userfaultfd.CreateInside(process.Handle, features);
        try
        {
            return make(userfaultfd);
        }
        catch
        {
            userfaultfd.Dispose();
            throw;
        }
    }

    private MigrationException Refused(string reason) => new(
        MigrationErrorReason.PrerequisiteMissing, $"'{Specification.Name}': {reason}", "Use the hypervisor's own migration.");
}
