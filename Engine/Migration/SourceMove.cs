using System.Diagnostics;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The part of a migration before the commit, at its source: the memory moves while the VM runs, then the VM is paused and the rest
/// follows.
/// </summary>
/// <param name="run">The run; its trace and its post-copy are begun here.</param>
/// <param name="pathKind">How the connections are kept apart, for the result.</param>
internal sealed class SourceMove(SourceRun run, MobilityPathKind pathKind)
{
    private readonly IVirtualMachine vm = run.Vm;
    private readonly MigrationRequest request = run.Request;
    private readonly MigrationStatusFeed feed = run.Feed;

    /// <summary>
    /// Connections that carry pages: one per processor up to four, for beyond that they compete with the guest for the same processors.
    /// </summary>
    public int ChannelCount => request.Contents == StateContents.DevicesAndMemory ? 0
        : request.Options.Channels != 0 ? request.Options.Channels
        : Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>Whether the destination is asked if the VM may resume before all of its memory is there.</summary>
    public bool PostcopyWanted => request.Options.Postcopy != PostcopyPolicy.Never && request.Contents == StateContents.Devices;

    /// <summary>When the VM was paused; <see cref="Stopwatch.GetTimestamp"/>. Known once <see cref="RunAsync"/> has ended well.</summary>
    public long StoppedAt { get; private set; }

    /// <summary>
    /// When the destination had everything; <see cref="Stopwatch.GetTimestamp"/>. Known once <see cref="RunAsync"/> has ended well.
    /// </summary>
    public long ReadyAt { get; private set; }

    /// <summary>
    /// Brings everything to the destination; when the task ends the VM is paused and the destination waits for the grant.
    /// </summary>
    /// <exception cref="MigrationException">It could not be brought; the VM may be paused.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, the VM ended, or the connections broke.</exception>
    public async Task<MigrationResult> RunAsync(SourceLink link, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, link.Broken, run.Disks?.Broken ?? CancellationToken.None);
        using var limit = new BandwidthLimit(request.Options.MaxBytesPerSecond, PageFrame.MaxHeadBytes + PageFrame.MaxPayloadBytes);
        var counters = new TransferCounters();
        var switchover = new Switchover(
            vm, link, limit, counters, request.Options.VerifyMemory,
            () => run.RecordAsync(MigrationJournalState.Granted, CancellationToken.None).AsTask(),
            run.Disks is { } disks ? disks.CompleteAsync : null);
        Task watching = StopWhenGoneAsync(switchover.AllSent, stop);
        try
        {
            LargePageCoverage? largePages = await Task.Run(vm.ReadLargePageCoverage, stop.Token).ConfigureAwait(false);
            feed.MoveTo(MigrationState.Precopy);
            MigrationResult result = request.Contents == StateContents.Devices
                ? await MoveByEngineAsync(link, limit, counters, switchover, stop.Token).ConfigureAwait(false)
                : await MoveByHypervisorAsync(switchover, stop.Token).ConfigureAwait(false);
            StoppedAt = switchover.StoppedAt;
            ReadyAt = Stopwatch.GetTimestamp();
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
                DowntimeParts = switchover.Parts with { Disks = run.Disks?.Downtime ?? TimeSpan.Zero },
                Disks = run.Disks?.Results ?? [],
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
        WriteTrace trace = await vm.StartWriteTraceAsync(
            request.Options.WriteTraceGranularityBytes, cancellationToken).ConfigureAwait(false);
        run.Trace = trace;
        run.ReleaseRunState();
        var transfer = new PageTransfer(link, vm.Memory, limit, counters, trace.Overreports);
        var precopy = new Precopy(vm, transfer, counters, PostcopyOptions(link), feed);
        Task downtimePath = DowntimePath.PrepareAsync();
        PageSet remaining = await precopy.RunAsync(trace, cancellationToken).ConfigureAwait(false);
        await downtimePath.ConfigureAwait(false);
        await run.HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Switchover);
        if (precopy.EndsInPostcopy)
        {
            await switchover.RunAsPostcopyAsync(
                transfer, trace, remaining,
                () => run.Postcopy = new(vm, request, remaining, run.Dialer, link, counters, feed, run.Log),
                cancellationToken).ConfigureAwait(false);
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
                .. MigrationFallbacks.Named("The guest could not have been slowed down", vm.Capabilities.ThrottleRefused),
                .. MigrationFallbacks.Named("The source had no large pages", vm.Capabilities.LargePagesRefused),
                .. MigrationFallbacks.Named("Post-copy could not have been used", link.PostcopyRefused),
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
        if (run.Disks is not null) throw DiskRefusals.HypervisorMigration(vm.Specification.Name, vm.Capabilities.EngineMigrationRefused);
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
}
