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
    private static readonly TimeSpan failurePatience = TimeSpan.FromSeconds(2);

    private readonly IOutgoingVm place;
    private readonly IVirtualMachine vm;
    private readonly MigrationRequest request;
    private readonly IMigrationJournal journal;
    private readonly ILogger log;
    private readonly MigrationStatusFeed feed;
    private readonly long startedAt = Stopwatch.GetTimestamp();
    private WriteTrace? trace;
    private long stoppedAt;
    private long readyAt;
    private bool wasRunning;

    public SourceMigration(IOutgoingVm place, MigrationRequest request, string sourceHostName, IMigrationJournal journal, ILogger log)
    {
        this.place = place;
        vm = place.Machine;
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
                wasRunning = await vm.GetStateAsync(cancellationToken).ConfigureAwait(false) == VmState.Running;
                link = await SourceLink.OpenAsync(request.Offer, ChannelCount(), vm.Memory.SizeBytes, cancellationToken).ConfigureAwait(false);
                result = await MoveAsync(link, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (Exception error)
            {
                LiftTrace();
                await RollBackAsync(link, error, cancellationToken.IsCancellationRequested).ConfigureAwait(false);
                return feed.Current;
            }

            await CommitAsync(link, result).ConfigureAwait(false);
            return feed.Current;
        }
        finally
        {
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
        }
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
            feed.MoveTo(MigrationState.Precopy);
            MigrationResult result = request.Contents == StateContents.Devices
                ? await MoveByEngineAsync(link, limit, counters, switchover, stop.Token).ConfigureAwait(false)
                : await MoveByHypervisorAsync(switchover, stop.Token).ConfigureAwait(false);
            stoppedAt = switchover.StoppedAt;
            readyAt = Stopwatch.GetTimestamp();
            return result with
            {
                BytesSent = counters.BytesSent,
                PagesData = counters.PagesData,
                PagesZero = counters.PagesZero,
                DowntimeParts = switchover.Parts,
                MemoryVerified = switchover.MemoryVerified,
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
        var transfer = new PageTransfer(link, vm.Memory, limit, counters);
        var precopy = new Precopy(vm, transfer, counters, request.Options, feed);
        trace = await vm.StartWriteTraceAsync(cancellationToken).ConfigureAwait(false);
        Task downtimePath = DowntimePath.PrepareAsync();
        PageSet remaining = await precopy.RunAsync(trace, cancellationToken).ConfigureAwait(false);
        await downtimePath.ConfigureAwait(false);
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
            Fallbacks = vm.Capabilities.ThrottleRefused is { } reason ? [$"The guest could not have been slowed down: {reason}"] : [],
        };
    }

    private async Task<MigrationResult> MoveByHypervisorAsync(Switchover switchover, CancellationToken cancellationToken)
    {
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
        LiftTrace();
        switch (outcome)
        {
            case MigrationOutcome.DestinationOwns:
                await CompleteAsync(commit, commit.Resumed is { } resumed ? Describe(result, resumed, commitTime) : result).ConfigureAwait(false);
                break;
            case MigrationOutcome.SourceOwns:
                await RollBackAsync(link, commit.Failure!, cancelled: false).ConfigureAwait(false);
                break;
            default:
                await KeepUndecidedAsync().ConfigureAwait(false);
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
        Fallbacks = resumed.PopulationRefused is { } reason
            ? [.. result.Fallbacks, $"No page tables were populated: {reason}"] : result.Fallbacks,
    };

    private async Task CompleteAsync(SourceCommit commit, MigrationResult result)
    {
        try
        {
            await place.RemoveAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or IOException or UnauthorizedAccessException)
        {
            // The VM runs over there. What is left of it here never runs again; the host removes it at its next start.
            log.Error(error, "The source's copy could not be removed whole");
            result = result with { Fallbacks = [.. result.Fallbacks, $"The source's copy could not be removed whole: {error.Message}"] };
        }

        result = result with { FaultsAfterResume = await commit.ReadFaultsAfterResumeAsync().ConfigureAwait(false) };
        await RecordEndAsync(MigrationJournalState.Completed).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Completed, status => status with { Result = result });
        log.Information("Migrated to {Destination} in {TotalTime}, downtime {Downtime}", request.Offer.DestinationHostName,
            result.TotalTime, result.Downtime);
    }

    private async Task RollBackAsync(SourceLink? link, Exception error, bool cancelled)
    {
        MigrationException reason = await ExplainAsync(link, error, cancelled).ConfigureAwait(false);
        log.Warning(error, "Rolling back: {Reason}: {Message}", reason.Reason, reason.Message);
        if (link is not null) await TryAbortAsync(link, reason).ConfigureAwait(false);
        string? action = reason.RecommendedAction;
        if (!vm.Exited.IsCompleted)
        {
            try
            {
                await vm.SetVcpuShareAsync(1, CancellationToken.None).ConfigureAwait(false);
                if (wasRunning) await vm.ResumeAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (MigrationException resume)
            {
                log.Error(resume, "The VM could not be resumed after the rollback");
                action = $"The VM is whole but did not resume ({resume.Message}). Resume it by hand.";
            }
        }

        await RecordEndAsync(MigrationJournalState.RolledBack).ConfigureAwait(false);
        await SettleAsync(place.ReturnAsync).ConfigureAwait(false);
        feed.MoveTo(MigrationState.RolledBack, status => status with
        {
            ErrorReason = reason.Reason,
            ErrorMessage = reason.Message,
            RecommendedAction = action,
        });
    }

    private async Task KeepUndecidedAsync()
    {
        MigrationStatus status = feed.Current;
        string message = $"'{status.VmName}' was given to {status.DestinationHostName}, which then stopped answering. It is kept here, paused.";
        await RecordEndAsync(MigrationJournalState.Undecided).ConfigureAwait(false);
        await SettleAsync(() => place.KeepUndecidedAsync(message)).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Undecided, current => current with
        {
            ErrorReason = MigrationErrorReason.Undecided,
            ErrorMessage = message,
            RecommendedAction = $"Look on {status.DestinationHostName} whether the VM runs there; resume it here only if it does not.",
        });
    }

    /// <summary>Finds the failure behind the one that was noticed: a broken send says less than the destination's last words.</summary>
    private async Task<MigrationException> ExplainAsync(SourceLink? link, Exception error, bool cancelled)
    {
        if (cancelled) return new(MigrationErrorReason.Cancelled, "The migration was cancelled.", "The VM is as it was at the source.", error);
        if (vm.Exited.IsCompleted)
        {
            return new(
                MigrationErrorReason.VmExited, $"The VM ended while it was being migrated: {await vm.Exited.ConfigureAwait(false)}",
                "Start the VM again.", error);
        }

        bool connectionBroke = error is OperationCanceledException or MigrationException { Reason: MigrationErrorReason.ConnectionLost };
        if (link is not null && connectionBroke && await link.FindFailureAsync(failurePatience).ConfigureAwait(false) is { } failure)
        {
            return failure;
        }

        return error as MigrationException
            ?? new MigrationException(MigrationErrorReason.HypervisorFailed, $"The migration failed: {error.Message}", null, error);
    }

    private async Task TryAbortAsync(SourceLink link, MigrationException reason)
    {
        using var limit = new CancellationTokenSource(failurePatience);
        try
        {
            link.CloseData();
            await link.SendAsync(
                FrameType.Abort, new(reason.Reason, reason.Message, reason.RecommendedAction), ControlMessages.Default.FailureMessage,
                limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Debug(error, "The destination could not be told of the rollback; it notices the closed connection");
        }
    }

    private Task RecordEndAsync(MigrationJournalState state) =>
        SettleAsync(() => RecordAsync(state, CancellationToken.None).AsTask());

    /// <summary>A journal that cannot be written changes nothing about who owns the VM, so that is reported only.</summary>
    private async Task SettleAsync(Func<Task> settle)
    {
        try
        {
            await settle().ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            log.Error(error, "The journal could not take the end of the migration");
        }
    }

    private ValueTask RecordAsync(MigrationJournalState state, CancellationToken cancellationToken) => journal.RecordAsync(
        new(request.Offer.MigrationId, MigrationRole.Source, vm.Specification.Id, request.Offer.DestinationHostName, state,
            DateTimeOffset.UtcNow),
        cancellationToken);
}
