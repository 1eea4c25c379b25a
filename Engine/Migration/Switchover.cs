using System.Diagnostics;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The part of a migration in which the VM is paused: last pages, device state, optional comparison of memory, load. It ends when the
/// destination is ready to take the VM over; the commit follows in <see cref="SourceMigration"/>.
/// </summary>
/// <param name="vm">The VM.</param>
/// <param name="link">The connections to the destination.</param>
/// <param name="limit">Holds the state to the bandwidth limit.</param>
/// <param name="counters">Counts the state's bytes.</param>
/// <param name="verifyMemory">Whether memory is compared.</param>
/// <param name="recordGranted">
/// Records that the VM may have been given away. It is run while the destination loads, not after: a record that comes too early only means
/// that a source which crashes just then cannot tell by itself who owns the VM, and keeps it paused.
/// </param>
/// <param name="completeDisks">
/// Called once the vCPUs stand still: the disks that move are equal on both sides when its task ends, and only then are the devices saved, for
/// QEMU gives its disks up at the end of that. Null where no disks move.
/// </param>
internal sealed class Switchover(
    IVirtualMachine vm, SourceLink link, BandwidthLimit limit, TransferCounters counters, bool verifyMemory, Func<Task> recordGranted,
    Func<CancellationToken, Task>? completeDisks = null)
{
    private static readonly TimeSpan loadLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan verifyLimitPerGiB = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource allSent = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the time went to, as far as it has come.</summary>
    public DowntimeBreakdown Parts { get; private set; } = new();

    /// <summary>Whether both sides' memory was compared and equal.</summary>
    public bool MemoryVerified { get; private set; }

    /// <summary>The pages that are poisoned, once the destination knows them.</summary>
    public IReadOnlyList<PoisonedPage> PoisonedPages { get; private set; } = [];

    /// <summary>
    /// Ends once the destination has been sent everything: from then on the VM's process may end here, and the VM is whole there.
    /// </summary>
    public Task AllSent => allSent.Task;

    /// <summary>When the vCPUs stood still, as a <see cref="Stopwatch"/> timestamp.</summary>
    public long StoppedAt { get; private set; }

    /// <summary>Switches over a VM whose memory the engine moves.</summary>
    /// <param name="precopy">Sends passes.</param>
    /// <param name="trace">Tells what was written.</param>
    /// <param name="remaining">What the last pass before the pause left.</param>
    /// <param name="cancellationToken">Cancels the switchover.</param>
    public async Task RunAsync(Precopy precopy, WriteTrace trace, PageSet remaining, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var stream = new StateFrameStream(link, limit, counters);
        await using IStateSave save = await PauseWhileSendingAsync(precopy, remaining, stream, cancellationToken).ConfigureAwait(false);
        StoppedAt = Math.Max(start, vm.LastPausedAt);
        Parts = Parts with { Stop = Stopwatch.GetElapsedTime(StoppedAt) };

        // Memory stands still from here on: the last pages, the device state and the digest need not wait for each other. Only the load
        // must: the state is held back until the destination has every page.
        stream.Hold();
        Task<TimeSpan> saving = CompleteDisksAndSaveAsync(save, cancellationToken);
        Task<IReadOnlyList<PoisonedPage>> finding = vm.FindPoisonedPagesAsync(cancellationToken);
        Task<string>? digest = verifyMemory ? DigestAsync(finding, cancellationToken) : null;
        try
        {
            start = Stopwatch.GetTimestamp();
            remaining.Clear();
            trace.CollectAndRearm(remaining);
            await precopy.SendPassAsync(remaining, paused: true, cancellationToken).ConfigureAwait(false);
            Parts = Parts with { LastPages = Stopwatch.GetElapsedTime(start) };
            if (digest is not null) await ((Task)digest).ConfigureAwait(false);
            await SendPoisonedAsync(await finding.ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (digest is not null) await VerifyAsync(digest, cancellationToken).ConfigureAwait(false);
            start = Stopwatch.GetTimestamp();
            await link.SendAsync(FrameType.Load, default, cancellationToken).ConfigureAwait(false);
            await stream.ReleaseAsync(cancellationToken).ConfigureAwait(false);
            Parts = Parts with { DeviceState = await saving.ConfigureAwait(false) };
        }
        finally
        {
            // Whatever failed, nothing may go on reading the VM's memory or state behind the rollback.
            await ((Task)finding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (digest is not null) await ((Task)digest).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ((Task)saving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await AwaitReadyAsync(start, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Switches over a VM that is to resume before all of its memory is there. The missing pages are served when the task ends, and from
    /// before the destination loads the devices, which touches memory.
    /// </summary>
    /// <param name="transfer">Carried the passes.</param>
    /// <param name="trace">Tells what was written.</param>
    /// <param name="missing">What the last pass left; in the end what the destination misses.</param>
    /// <param name="serve">Begins to serve the missing pages.</param>
    /// <param name="cancellationToken">Cancels the switchover.</param>
    public async Task RunAsPostcopyAsync(
        PageTransfer transfer, WriteTrace trace, PageSet missing, Action serve, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var stream = new StateFrameStream(link, limit, counters);
        await using IStateSave save = await vm.PauseForSaveAsync(stream, cancellationToken).ConfigureAwait(false);
        StoppedAt = Math.Max(start, vm.LastPausedAt);
        Parts = Parts with { Stop = Stopwatch.GetElapsedTime(StoppedAt) };
        stream.Hold();
        Task<TimeSpan> saving = CompleteDisksAndSaveAsync(save, cancellationToken);
        try
        {
            start = Stopwatch.GetTimestamp();
            trace.CollectAndRearm(missing);

            // What passes sent must be in place before the destination takes pages away: a late version would be taken for a whole one.
            await transfer.SendAsync(new(missing.PageCount), flush: true, cancellationToken).ConfigureAwait(false);
            await SendPoisonedAsync(await vm.FindPoisonedPagesAsync(cancellationToken).ConfigureAwait(false), cancellationToken)
                .ConfigureAwait(false);
            foreach (PoisonedPage page in PoisonedPages) missing.Remove(page.Page);
            await link.SendMissingAsync(missing, cancellationToken).ConfigureAwait(false);
            Parts = Parts with { LastPages = Stopwatch.GetElapsedTime(start) };
            if (verifyMemory)
            {
                await VerifyAsync(
                    MemoryDigest.ComputeAsync(vm.Memory, missing, cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            start = Stopwatch.GetTimestamp();
            await link.SendAsync(
                FrameType.Postcopy, new(missing.Count), ControlMessages.Default.PostcopyMessage, cancellationToken).ConfigureAwait(false);
            await link.ExpectAsync(FrameType.PostcopyStarted, loadLimit, cancellationToken).ConfigureAwait(false);
            serve();
            await stream.ReleaseAsync(cancellationToken).ConfigureAwait(false);
            Parts = Parts with { DeviceState = await saving.ConfigureAwait(false) };
        }
        finally
        {
            await ((Task)saving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await AwaitReadyAsync(start, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves a VM by its hypervisor's own migration, which pauses it when it is nearly done.</summary>
    public async Task RunHypervisorMigrationAsync(CancellationToken cancellationToken)
    {
        await link.SendAsync(FrameType.Load, default, cancellationToken).ConfigureAwait(false);
        var stream = new StateFrameStream(link, limit, counters);
        await vm.SaveStateAsync(stream, StateContents.DevicesAndMemory, cancellationToken).ConfigureAwait(false);
        StoppedAt = vm.LastPausedAt;
        Parts = Parts with { LastPages = Stopwatch.GetElapsedTime(StoppedAt) };
        await AwaitReadyAsync(Stopwatch.GetTimestamp(), cancellationToken).ConfigureAwait(false);
        if (verifyMemory)
        {
            await VerifyAsync(
                MemoryDigest.ComputeAsync(vm.Memory, except: null, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>While the hypervisor brings the VM to its pause, which takes some milliseconds, the guest's last writes travel already.</summary>
    private async Task<IStateSave> PauseWhileSendingAsync(
        Precopy precopy, PageSet remaining, StateFrameStream stream, CancellationToken cancellationToken)
    {
        Task<IStateSave> pausing = vm.PauseForSaveAsync(stream, cancellationToken);
        try
        {
            await precopy.SendPassAsync(remaining, paused: false, cancellationToken).ConfigureAwait(false);
            return await pausing.ConfigureAwait(false);
        }
        catch
        {
            await ((Task)pausing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (pausing.IsCompletedSuccessfully) await (await pausing.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The digest leaves poisoned pages out, and waits for the last of them to be known.</summary>
    private async Task<string> DigestAsync(Task<IReadOnlyList<PoisonedPage>> finding, CancellationToken cancellationToken)
    {
        await finding.ConfigureAwait(false);
        return await MemoryDigest.ComputeAsync(vm.Memory, except: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Nothing reads the memory any more: what failed under the last readers is known by now too.</summary>
    private async Task SendPoisonedAsync(IReadOnlyList<PoisonedPage> found, CancellationToken cancellationToken)
    {
        PoisonedPages = vm.Memory.Poisoned.Count == found.Count
            ? found : await vm.FindPoisonedPagesAsync(cancellationToken).ConfigureAwait(false);
        await CarriedPoison.SendAsync(link, PoisonedPages, cancellationToken).ConfigureAwait(false);
    }

    private async Task<TimeSpan> CompleteDisksAndSaveAsync(IStateSave save, CancellationToken cancellationToken)
    {
        if (completeDisks is not null) await completeDisks(cancellationToken).ConfigureAwait(false);
        var watch = Stopwatch.StartNew();
        await save.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return watch.Elapsed;
    }

    private async Task VerifyAsync(Task<string> digest, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        await link.SendAsync(
            FrameType.Verify, new(await digest.ConfigureAwait(false)), ControlMessages.Default.VerifyMessage, cancellationToken)
            .ConfigureAwait(false);
        TimeSpan verifyLimit = loadLimit + (verifyLimitPerGiB * (vm.Memory.SizeBytes >> 30));
        await link.ExpectAsync(FrameType.Verified, verifyLimit, cancellationToken).ConfigureAwait(false);
        MemoryVerified = true;
        Parts = Parts with { Verify = Stopwatch.GetElapsedTime(start) };
    }

    private async Task AwaitReadyAsync(long loadStart, CancellationToken cancellationToken)
    {
        Task recorded = Task.Run(recordGranted, CancellationToken.None);
        try
        {
            await link.SendAsync(FrameType.StateEnd, default, cancellationToken).ConfigureAwait(false);
            allSent.TrySetResult();
            await link.ExpectAsync(FrameType.Ready, loadLimit, cancellationToken).ConfigureAwait(false);
            Parts = Parts with { Load = Stopwatch.GetElapsedTime(loadStart) };
        }
        finally
        {
            await recorded.ConfigureAwait(false);
        }
    }
}
