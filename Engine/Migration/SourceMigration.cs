using System.Diagnostics;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Drives one migration from its source host: <c>Setup → Precopy → Switchover → Completed</c>, or back. Before the commit every failure
/// leaves the VM as it was at the source; after it the destination's word decides, and without that word both copies stay, paused.
/// </summary>
internal sealed class SourceMigration
{
    private readonly IVirtualMachine vm;
    private readonly AsyncLock runState;
    private readonly MigrationRequest request;
    private readonly IMigrationJournal journal;
    private readonly ILogger log;
    private readonly MigrationStatusFeed feed;
    private readonly SourceEnding ending;
    private readonly long startedAt = Stopwatch.GetTimestamp();
    private WriteTrace? trace;
    private long stoppedAt;
    private long readyAt;
    private bool wasRunning;
    private AsyncLock.Holder? runStateHeld;

    public SourceMigration(IOutgoingVm place, MigrationRequest request, string sourceHostName, IMigrationJournal journal, ILogger log)
    {
        vm = place.Machine;
        runState = place.RunState;
        this.request = request;
        this.journal = journal;
        this.log = log.ForContext("MigrationId", request.Offer.MigrationId).ForContext("VmName", vm.Specification.Name);
        feed = new(new()
        {
            Id = request.Offer.MigrationId,
            VmId = vm.Specification.Id,
            VmName = vm.Specification.Name,
            SourceHostName = sourceHostName,
            DestinationHostName = request.Offer.DestinationHostName,
            State = MigrationState.Setup,
            StartedAt = DateTimeOffset.UtcNow,
            Progress = new(0, 0, 0, 0, 0, 0, 1),
        });
        ending = new(place, request, journal, feed, this.log);
    }

    /// <summary>Where it stands.</summary>
    public MigrationStatus Status => feed.Current;

    /// <summary>Follows it; see <see cref="MigrationStatusFeed.WatchAsync"/>.</summary>
    public IAsyncEnumerable<MigrationStatus> WatchAsync(CancellationToken cancellationToken) => feed.WatchAsync(cancellationToken);

    /// <summary>Records in the journal that it begins; comes before <see cref="RunAsync"/>.</summary>
    public ValueTask BeginAsync(CancellationToken cancellationToken) => RecordAsync(MigrationJournalState.Started, cancellationToken);

    /// <summary>
    /// Runs to the end, whichever way, settles the VM's place and throws nothing: the status says what happened. Cancellation is heeded up to
    /// the commit.
    /// </summary>
    public async Task<MigrationStatus> RunAsync(CancellationToken cancellationToken)
    {
        SourceLink? link = null;
        try
        {
            MigrationResult result;
            try
            {
                await HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
                wasRunning = await vm.GetStateAsync(cancellationToken).ConfigureAwait(false) == VmState.Running;
                link = await SourceLink.OpenAsync(request.Offer, ChannelCount(), vm.Memory.SizeBytes, cancellationToken).ConfigureAwait(false);
                result = await MoveAsync(link, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (Exception error)
            {
                await ending.RollBackAsync(link, error, wasRunning, cancellationToken.IsCancellationRequested, LiftTrace).ConfigureAwait(false);
                return feed.Current;
            }

            await CommitAsync(link, result).ConfigureAwait(false);
            return feed.Current;
        }
        finally
        {
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
            ReleaseRunState();
        }
    }

    /// <summary>From here on nobody else pauses or resumes the VM.</summary>
    private async Task HoldRunStateAsync(CancellationToken cancellationToken) =>
        runStateHeld = await runState.EnterAsync(cancellationToken).ConfigureAwait(false);

    private void ReleaseRunState()
    {
        runStateHeld?.Dispose();
        runStateHeld = null;
    }

    // One connection per processor up to four: beyond that they compete with the guest for the same processors.
    private int ChannelCount() => request.Contents == StateContents.DevicesAndMemory ? 0
        : request.Options.Channels != 0 ? request.Options.Channels
        : Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>Brings everything to the destination; when the task ends the VM is paused and the destination waits for the grant.</summary>
    private async Task<MigrationResult> MoveAsync(SourceLink link, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, link.Broken);
        using var limit = new BandwidthLimit(request.Options.MaxBytesPerSecond, PageFrame.MaxHeadBytes + PageFrame.MaxPayloadBytes);
        var counters = new TransferCounters();
        var switchover = new Switchover(
            vm, link, limit, counters, request.Options.VerifyMemory,
            () => RecordAsync(MigrationJournalState.Granted, CancellationToken.None).AsTask());
        Task watching = StopWhenGoneAsync(stop);
        try
        {
            LargePageCoverage? largePages = await Task.Run(vm.ReadLargePageCoverage, stop.Token).ConfigureAwait(false);
            feed.MoveTo(MigrationState.Precopy);
            MigrationResult result = request.Contents == StateContents.Devices
                ? await MoveByEngineAsync(link, limit, counters, switchover, stop.Token).ConfigureAwait(false)
                : await MoveByHypervisorAsync(switchover, stop.Token).ConfigureAwait(false);
            stoppedAt = switchover.StoppedAt;
            readyAt = Stopwatch.GetTimestamp();
            return result with
            {
                LargePagesAtSource = largePages,
                BytesSent = counters.BytesSent,
                PagesData = counters.PagesData,
                PagesZero = counters.PagesZero,
                PagesUnchanged = counters.PagesUnchanged,
                DowntimeParts = switchover.Parts,
                MemoryVerified = switchover.MemoryVerified,
                PoisonedPages = switchover.PoisonedPages,
            };
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    private async Task<MigrationResult> MoveByEngineAsync(
        SourceLink link, BandwidthLimit limit, TransferCounters counters, Switchover switchover, CancellationToken cancellationToken)
    {
        await vm.FindPoisonedPagesAsync(cancellationToken).ConfigureAwait(false);
        trace = await vm.StartWriteTraceAsync(request.Options.WriteTraceGranularityBytes, cancellationToken).ConfigureAwait(false);
        ReleaseRunState();
        var transfer = new PageTransfer(link, vm.Memory, limit, counters, trace.Overreports);
        var precopy = new Precopy(vm, transfer, counters, request.Options, feed);
        Task downtimePath = DowntimePath.PrepareAsync();
        PageSet remaining = await precopy.RunAsync(trace, cancellationToken).ConfigureAwait(false);
        await downtimePath.ConfigureAwait(false);
        await HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Switchover);
        await switchover.RunAsync(precopy, trace, remaining, cancellationToken).ConfigureAwait(false);
        return new()
        {
            Passes = precopy.Passes.Count,
            PassDetails = [.. precopy.Passes],
            MinVcpuShare = precopy.MinVcpuShare,
            WriteTraceMechanism = trace.Mechanism,
            TraceInstalls = trace.Statistics.Installs,
            TraceInstallTime = trace.Statistics.InstallTime,
            Channels = link.Data.Count,
            Fallbacks =
            [
                .. Named("The guest could not have been slowed down", vm.Capabilities.ThrottleRefused),
                .. Named("The source had no large pages", vm.Capabilities.LargePagesRefused),
            ],
        };
    }

    private async Task<MigrationResult> MoveByHypervisorAsync(Switchover switchover, CancellationToken cancellationToken)
    {
        IReadOnlyList<PoisonedPage> poisoned = await vm.FindPoisonedPagesAsync(cancellationToken).ConfigureAwait(false);
        if (poisoned.Count > 0) throw PoisonRefusals.HypervisorMigration(vm.Specification.Name, poisoned);
        await switchover.RunHypervisorMigrationAsync(cancellationToken).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Switchover);
        string reason = vm.Capabilities.EngineMigrationRefused ?? "it was asked for.";
        return new()
        {
            WriteTraceMechanism = WriteTraceMechanism.QemuDirtyLog,
            Fallbacks = [$"The hypervisor's own migration moved the memory: {reason}"],
        };
    }

    private async Task StopWhenGoneAsync(CancellationTokenSource stop)
    {
        await Task.WhenAny(vm.Exited, Task.Delay(Timeout.InfiniteTimeSpan, stop.Token)).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Gives the VM away. Nothing is cancelled any more, and only the destination's word can bring the VM back.</summary>
    private async Task CommitAsync(SourceLink link, MigrationResult result)
    {
        var commit = new SourceCommit(link, request.Offer, log);
        MigrationOutcome outcome = await commit.RunAsync(wasRunning).ConfigureAwait(false);
        TimeSpan commitTime = Stopwatch.GetElapsedTime(readyAt);
        result = result with { TotalTime = Stopwatch.GetElapsedTime(startedAt), Downtime = Stopwatch.GetElapsedTime(stoppedAt) };
        switch (outcome)
        {
            case MigrationOutcome.DestinationOwns:
                // The paused copy is still as it was at the pause, traces included.
                result = result with { LargePagesAtPause = await Task.Run(vm.ReadLargePageCoverage).ConfigureAwait(false) };
                LiftTrace();
                await ending.CompleteAsync(
                    commit, commit.Resumed is { } resumed ? Describe(result, resumed, commitTime) : result).ConfigureAwait(false);
                break;
            case MigrationOutcome.SourceOwns:
                await ending.RollBackAsync(link, commit.Failure!, wasRunning, cancelled: false, LiftTrace).ConfigureAwait(false);
                break;
            default:
                LiftTrace();
                await ending.KeepUndecidedAsync(commit.Failure).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Lifts the traces only when the time no longer counts: over much memory that takes milliseconds.</summary>
    private void LiftTrace()
    {
        try
        {
            trace?.Dispose();
        }
        catch (MigrationException error)
        {
            // A VM that ended took its traces with it.
            log.Debug(error, "The write traces could not be lifted");
        }
    }

    private static MigrationResult Describe(MigrationResult result, ResumedMessage resumed, TimeSpan commitTime) => result with
    {
        DowntimeParts = result.DowntimeParts with { Commit = commitTime - resumed.ResumeTime, Resume = resumed.ResumeTime },
        PagesPopulated = resumed.PagesPopulated,
        PopulationTime = resumed.PopulationTime,
        Accelerator = resumed.Accelerator,
        Fallbacks =
        [
            .. result.Fallbacks,
            .. Named("No page tables were populated", resumed.PopulationRefused),
            .. Named("Poisoned pages were made to fail in another way", resumed.PoisonFallback),
            .. Named("No large pages were kept", resumed.LargePagesRefused),
        ],
    };

    private static IEnumerable<string> Named(string what, string? why) => why is null ? [] : [$"{what}: {why}"];

    private ValueTask RecordAsync(MigrationJournalState state, CancellationToken cancellationToken) => journal.RecordAsync(
        new(request.Offer.MigrationId, MigrationRole.Source, vm.Specification.Id, request.Offer.DestinationHostName, state,
            DateTimeOffset.UtcNow),
        cancellationToken);
}
