using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Drives one migration from its source host: <c>Setup → Precopy → Switchover → Completed</c>, or back. Before the commit every failure
/// leaves the VM as it was at the source; after it the destination's word decides, and without that word both copies stay, paused.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The post-copy is disposed of at its end, within the run.")]
internal sealed class SourceMigration
{
    private readonly IVirtualMachine vm;
    private readonly AsyncLock runState;
    private readonly MigrationRequest request;
    private readonly MobilityPathKind pathKind;
    private readonly MigrationDialer dialer;
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
    private SourcePostcopy? postcopy;
    private MigrationTelemetryFeed? telemetry;

    /// <param name="place">The VM.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="sourceHostName">Name of this host.</param>
    /// <param name="journal">Written before every step that a restart must know of.</param>
    /// <param name="log">Takes what happens.</param>
    /// <param name="network">Where the connections start; null for the ordinary network.</param>
    /// <param name="pathKind">How the connections are kept apart, for the result.</param>
    /// <param name="before">The status an engine before this one left of it in its post-copy; null for a new one.</param>
    public SourceMigration(
        IOutgoingVm place, MigrationRequest request, string sourceHostName, IMigrationJournal journal, ILogger log,
        ISocketPlace? network = null, MobilityPathKind pathKind = MobilityPathKind.Direct, MigrationStatus? before = null)
    {
        this.pathKind = pathKind;
        vm = place.Machine;
        runState = place.RunState;
        this.request = request;
        dialer = new(request.Offer, network);
        this.journal = journal;
        this.log = log.ForContext("MigrationId", request.Offer.MigrationId).ForContext("VmName", vm.Specification.Name);
        feed = new(before is not null ? before with { State = MigrationState.PostcopyPaused, EndedAt = null } : new()
        {
            Id = request.Offer.MigrationId,
            VmId = vm.Specification.Id,
            VmName = vm.Specification.Name,
            SourceHostName = sourceHostName,
            DestinationHostName = request.Offer.DestinationHostName,
            LinkSecurity = request.Offer.Security,
            State = MigrationState.Setup,
            StartedAt = DateTimeOffset.UtcNow,
            Progress = new(0, 0, 0, 0, 0, 0, 1),
        }, status => telemetry?.Observe(status));
        ending = new(place, request, journal, feed, this.log);
    }

    /// <summary>Where it stands.</summary>
    public MigrationStatus Status => feed.Current;

    /// <summary>Follows it; see <see cref="MigrationStatusFeed.WatchAsync"/>.</summary>
    public IAsyncEnumerable<MigrationStatus> WatchAsync(CancellationToken cancellationToken) => feed.WatchAsync(cancellationToken);

    /// <summary>Records in the journal that it begins; comes before <see cref="RunAsync"/>.</summary>
    public ValueTask BeginAsync(CancellationToken cancellationToken) => RecordAsync(MigrationJournalState.Started, cancellationToken);

    /// <summary>Goes on with a post-copy whose link broke; see <see cref="SourcePostcopy.ResumeAsync"/>.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken) => postcopy is { } paused
        ? paused.ResumeAsync(cancellationToken)
        : throw new MigrationException(
            MigrationErrorReason.InvalidState,
            $"Migration {request.Offer.MigrationId} is {feed.Current.State}; only a paused post-copy can be resumed.");

    /// <summary>
    /// Runs to the end, whichever way, settles the VM's place and throws nothing: the status says what happened. Cancellation is heeded up to
    /// the commit.
    /// </summary>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <param name="closing">
    /// The host closes. Where the link of a post-copy is broken then, the migration is left as it is, for ever if need be: the VM's place
    /// is not settled, and the status has not ended.
    /// </param>
    public async Task<MigrationStatus> RunAsync(CancellationToken cancellationToken, CancellationToken closing = default)
    {
        SourceLink? link = null;
        telemetry = new(feed.Current);
        try
        {
            MigrationResult result;
            try
            {
                await HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
                wasRunning = await vm.GetStateAsync(cancellationToken).ConfigureAwait(false) == VmState.Running;
                bool postcopyWanted = request.Options.Postcopy != PostcopyPolicy.Never && request.Contents == StateContents.Devices;
                link = await SourceLink.OpenAsync(
                    dialer, ChannelCount(), vm.Memory.SizeBytes, postcopyWanted, cancellationToken).ConfigureAwait(false);
                result = await MoveAsync(link, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (Exception error)
            {
                // Before the VM runs on: nothing may go on reading its memory for the destination.
                if (postcopy is not null) await postcopy.DisposeAsync().ConfigureAwait(false);
                await ending.RollBackAsync(link, error, wasRunning, cancellationToken.IsCancellationRequested, LiftTrace).ConfigureAwait(false);
                return feed.Current;
            }

            await CommitAsync(link, result, closing).ConfigureAwait(false);
            return feed.Current;
        }
        finally
        {
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
            ReleaseRunState();
            telemetry.Leave();
        }
    }

    /// <summary>
    /// Goes on with a post-copy that the last engine on this host was in. Instead of <see cref="RunAsync"/>; throws nothing. What the engine
    /// before measured is not in the result, and the missing pages are not compared.
    /// </summary>
    /// <param name="link">A link that was taken up again; disposed by this.</param>
    /// <param name="missing">What the destination misses.</param>
    /// <param name="closing">As for <see cref="RunAsync"/>.</param>
    public async Task<MigrationStatus> ContinueAsync(SourceLink link, PageSet missing, CancellationToken closing)
    {
        await using (link.ConfigureAwait(false))
        {
            await HoldRunStateAsync(CancellationToken.None).ConfigureAwait(false);
            try
            {
                MigrationRequest unverified = request with { Options = request.Options with { VerifyMemory = false } };
                postcopy = new(vm, unverified, missing, dialer, link, new(), feed, log);
                var result = new MigrationResult
                {
                    WriteTraceMechanism = WriteTraceMechanism.Invalid,
                    LinkSecurity = request.Offer.Security,
                    Channels = link.Data.Count,
                    Fallbacks = ["The source's engine was restarted in the post-copy: what came before is not counted, nor is memory compared."],
                };
                await FollowAsync(postcopy, link, resumed: null, result, closing).ConfigureAwait(false);
                return feed.Current;
            }
            finally
            {
                ReleaseRunState();
            }
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
        Task watching = StopWhenGoneAsync(switchover.AllSent, stop);
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
                PathKind = pathKind,
                PathSetup = request.PathSetup,
                LinkSecurity = request.Offer.Security,
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
        var precopy = new Precopy(vm, transfer, counters, PostcopyOptions(link), feed);
        Task downtimePath = DowntimePath.PrepareAsync();
        PageSet remaining = await precopy.RunAsync(trace, cancellationToken).ConfigureAwait(false);
        await downtimePath.ConfigureAwait(false);
        await HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Switchover);
        if (precopy.EndsInPostcopy)
        {
            await switchover.RunAsPostcopyAsync(
                transfer, trace, remaining,
                () => postcopy = new(vm, request, remaining, dialer, link, counters, feed, log), cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await switchover.RunAsync(precopy, trace, remaining, cancellationToken).ConfigureAwait(false);
        }

        return new()
        {
            Passes = precopy.Passes.Count,
            PassDetails = [.. precopy.Passes],
            MinVcpuShare = precopy.MinVcpuShare,
            WriteTraceMechanism = trace.Mechanism,
            TraceInstalls = trace.Statistics.Installs,
            TraceInstallTime = trace.Statistics.InstallTime,
            WriteTraceGranularityBytes = trace.GranularityBytes,
            TraceFaults = trace.Statistics.Faults,
            TraceStallTime = trace.Statistics.GuestStallTime,
            MaxFaultDelay = trace.Statistics.MaxFaultDelay,
            Channels = link.Data.Count,
            Fallbacks =
            [
                .. trace.Fallback is { } traceFallback ? [traceFallback] : (string[])[],
                .. Named("The guest could not have been slowed down", vm.Capabilities.ThrottleRefused),
                .. Named("The source had no large pages", vm.Capabilities.LargePagesRefused),
                .. Named("Post-copy could not have been used", link.PostcopyRefused),
            ],
        };
    }

    /// <summary>What the destination refuses is not tried, where another way was left open.</summary>
    private MigrationOptions PostcopyOptions(SourceLink link) => (link.PostcopyRefused, request.Options.Postcopy) switch
    {
        (null, _) => request.Options,
        ({ } refused, PostcopyPolicy.AfterFirstPass) => throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, $"The VM cannot resume before all of its memory is there: {refused}",
            "Mend the reason on the destination host, or migrate without post-copy."),
        _ => request.Options with { Postcopy = PostcopyPolicy.Never },
    };

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

    /// <summary>Stops a migration whose VM ends, unless the destination has all of it: then it lives on there.</summary>
    private async Task StopWhenGoneAsync(Task allSent, CancellationTokenSource stop)
    {
        Task first = await Task.WhenAny(allSent, vm.Exited, Task.Delay(Timeout.InfiniteTimeSpan, stop.Token)).ConfigureAwait(false);
        if (first == allSent) return;
        await stop.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Gives the VM away. Nothing is cancelled any more, and only the destination's word can bring the VM back.</summary>
    private async Task CommitAsync(SourceLink link, MigrationResult result, CancellationToken closing)
    {
        var commit = new SourceCommit(link, dialer, log);
        MigrationOutcome outcome = await commit.RunAsync(wasRunning).ConfigureAwait(false);
        TimeSpan commitTime = Stopwatch.GetElapsedTime(readyAt);
        result = result with { TotalTime = Stopwatch.GetElapsedTime(startedAt), Downtime = Stopwatch.GetElapsedTime(stoppedAt) };
        if (commit.Resumed is { } resumed) result = Describe(result, resumed, commitTime);
        switch (outcome)
        {
            case MigrationOutcome.DestinationOwns or MigrationOutcome.DestinationReceives when postcopy is not null:
                LiftTrace();
                await FollowAsync(postcopy, commit.Resumed is null ? null : commit.Link, commit.Resumed, result, closing)
                    .ConfigureAwait(false);
                break;
            case MigrationOutcome.DestinationOwns:
                // The paused copy is still as it was at the pause, traces included.
                result = result with { LargePagesAtPause = await ReadLargePagesAtPauseAsync().ConfigureAwait(false) };
                LiftTrace();
                await ending.CompleteAsync(link, commit.Resumed, result).ConfigureAwait(false);
                break;
            case MigrationOutcome.SourceOwns:
                if (postcopy is not null) await postcopy.DisposeAsync().ConfigureAwait(false);
                await ending.RollBackAsync(link, commit.Failure!, wasRunning, cancelled: false, LiftTrace).ConfigureAwait(false);
                break;
            default:
                if (postcopy is not null) await postcopy.DisposeAsync().ConfigureAwait(false);
                LiftTrace();
                await ending.KeepUndecidedAsync(commit.Failure).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Serves the VM, which runs at the destination, until it needs nothing more from here.</summary>
    private async Task FollowAsync(
        SourcePostcopy following, SourceLink? link, ResumedMessage? resumed, MigrationResult result, CancellationToken closing)
    {
        PostcopyEnd end = await following.RunAsync(link, closing).ConfigureAwait(false);
        await following.DisposeAsync().ConfigureAwait(false);
        await using SourceLink? last = end.Link;
        result = following.Describe(result, end);

        // Some may have turned bad only when they were asked for.
        result = result with { PoisonedPages = [.. result.PoisonedPages.UnionBy(vm.Memory.Poisoned.ToList(), page => page.Page)] };
        switch (end.Kind)
        {
            case PostcopyEndKind.Completed:
                await ending.CompleteAsync(end.Link, end.Error is null ? resumed : null, result, end.Error).ConfigureAwait(false);
                break;
            case PostcopyEndKind.Mismatch:
                await ending.KeepUndecidedAsync(end.Error).ConfigureAwait(false);
                break;
            case PostcopyEndKind.Abandoned:
                log.Warning(
                    "The host closes with the post-copy paused: the VM's copy stays, for the destination has not all of its memory");
                break;
        }
    }

    private async Task<LargePageCoverage?> ReadLargePagesAtPauseAsync()
    {
        try
        {
            return await Task.Run(vm.ReadLargePageCoverage).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            log.Debug(error, "The paused copy ended before its large pages could be counted");
            return null;
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
