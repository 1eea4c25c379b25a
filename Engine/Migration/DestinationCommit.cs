using System.Diagnostics;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>The point of no return, seen from the destination: the VM becomes this host's, or surely never ran here.</summary>
internal sealed class DestinationCommit(IIncomingVm place, IncomingRequest request, IMigrationJournal journal, ILogger log)
{
    private static readonly TimeSpan reportAfter = TimeSpan.FromSeconds(1);

    private readonly IVirtualMachine vm = place.Machine;
    private readonly EndingSteps steps = new(log);
    private volatile MigrationOutcome outcome = MigrationOutcome.Pending;
    private Task<ReportMessage> measuring = Task.FromResult(new ReportMessage(null, null));

    /// <summary>What a source that asks is told.</summary>
    public MigrationOutcome Outcome => outcome;

    /// <summary>Whether the journal says that the VM is this host's.</summary>
    public bool IsOwner { get; private set; }

    /// <summary>Records a state of this side.</summary>
    public Task RecordAsync(MigrationJournalState state, CancellationToken cancellationToken) => journal.RecordAsync(
        new(request.MigrationId, MigrationRole.Destination, request.Specification.Id, request.SourceHostName, state, DateTimeOffset.UtcNow),
        cancellationToken).AsTask();

    /// <summary>Takes the VM over: from the journal's record on it is this host's.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.HypervisorFailed"/>: the guest never ran; <see cref="MigrationErrorReason.Undecided"/>: it may have.
    /// </exception>
    /// <param name="control">Hears of it.</param>
    /// <param name="grant">What the source wants.</param>
    /// <param name="populator">Filled the page tables; null where nothing did.</param>
    /// <param name="postcopy">Whether part of the VM's memory is still at the source.</param>
    public async Task TakeOverAsync(ControlConnection control, GrantMessage grant, PageTablePopulator? populator, bool postcopy)
    {
        var watch = Stopwatch.StartNew();
        await RecordAsync(
            postcopy ? MigrationJournalState.Receiving : MigrationJournalState.Owner, CancellationToken.None).ConfigureAwait(false);
        IsOwner = true;
        TimeSpan commitTime = watch.Elapsed;
        long? faultsBefore = vm.ReadPageFaults();
        if (grant.Resume) await ResumeAsync(postcopy ? LinkHeartbeat.SilenceLimit : Timeout.InfiniteTimeSpan).ConfigureAwait(false);
        measuring = MeasureAsync(faultsBefore);
        outcome = postcopy ? MigrationOutcome.DestinationReceives : MigrationOutcome.DestinationOwns;
        TimeSpan resumeTime = watch.Elapsed - commitTime;
        PopulationStatistics populated = populator?.Statistics ?? new(0, TimeSpan.Zero);
        string? populationRefused = !request.Options.PopulatePageTables ? "it was switched off."
            : populator is null ? vm.Capabilities.PopulationRefused ?? "the hypervisor moved the memory." : null;
        string? largePagesRefused = request.Specification.Backing == MemoryBacking.BasePages ? null
            : request.Options.PreserveLargePages ? vm.Capabilities.LargePagesRefused : "it was switched off.";
        await steps.TryAsync("tell the source that the VM runs here", () => control.SendAsync(
            FrameType.Resumed,
            new(commitTime, resumeTime, populated.Pages, populated.Elapsed, populationRefused, vm.Instance.Accelerator,
                vm.Memory.Poisoned.IsEmpty ? null : vm.Capabilities.PoisonFallback, largePagesRefused),
            ControlMessages.Default.ResumedMessage, CancellationToken.None)).ConfigureAwait(false);
        await steps.TryAsync(
            "take the VM into the host",
            () => postcopy ? place.BeginPostcopyAsync(grant.Resume) : place.CompleteAsync(grant.Resume)).ConfigureAwait(false);
        log.Information("Took over the VM from {Source}", request.SourceHostName);
    }

    /// <summary>Whether the VM was taken over, whatever became of it then.</summary>
    public bool HasTakenOver =>
        outcome is MigrationOutcome.DestinationOwns or MigrationOutcome.DestinationReceives or MigrationOutcome.Undecided;

    /// <summary>Tells the source why this ends, as far as it listens.</summary>
    public Task<bool> TellAsync(ControlConnection control, MigrationException reason, TimeSpan patience) =>
        steps.TryAsync("tell the source of its end", async () =>
        {
            using var limit = new CancellationTokenSource(patience);
            await control.SendAsync(
                FrameType.Abort, FailureMessage.Of(reason), ControlMessages.Default.FailureMessage,
                limit.Token).ConfigureAwait(false);
        });

    /// <summary>Says with the VM what it waits for in a post-copy; null where it goes on.</summary>
    public Task ReportWaitAsync(string? why) => steps.TryAsync("say what the VM waits for", () => place.ReportWaitAsync(why));

    /// <summary>Records that no page of the VM is missing any more.</summary>
    public Task RecordPlacedAsync() =>
        steps.TryAsync("record the end", () => RecordAsync(MigrationJournalState.Completed, CancellationToken.None));

    /// <summary>The VM needs nothing more from its source.</summary>
    /// <param name="failure">What is wrong with the VM all the same; null for nothing.</param>
    public async Task EndPostcopyAsync(string? failure)
    {
        await RecordPlacedAsync().ConfigureAwait(false);
        await steps.TryAsync("give the VM to the host", () => place.EndPostcopyAsync(failure)).ConfigureAwait(false);
        outcome = MigrationOutcome.DestinationOwns;
    }

    /// <summary>Reports on the first second.</summary>
    public async Task ReportAsync(ControlConnection control)
    {
        ReportMessage report = await measuring.ConfigureAwait(false);
        await RecordAsync(MigrationJournalState.Completed, CancellationToken.None).ConfigureAwait(false);
        await control.SendAsync(FrameType.Report, report, ControlMessages.Default.ReportMessage, CancellationToken.None)
            .ConfigureAwait(false);
    }

    /// <summary>Removes the VM, which never ran here, and says so in the journal.</summary>
    /// <returns>Whether the source may be told to run its copy.</returns>
    public async Task<bool> GiveUpAsync()
    {
        // The record comes first: a host opened again on the owner's record runs the VM and tells a source that asks to remove its copy. So
        // where that record cannot be replaced the copy stays, and only silence is true: the source keeps its own, paused.
        bool recorded = await steps.TryAsync(
            "record the rollback", () => RecordAsync(MigrationJournalState.RolledBack, CancellationToken.None)).ConfigureAwait(false);
        if (IsOwner && !recorded) return false;
        bool removed = await steps.TryAsync("remove the incoming VM", place.RemoveAsync).ConfigureAwait(false);

        // Likewise where the copy is not surely gone.
        if (IsOwner && !removed) return false;
        outcome = MigrationOutcome.SourceOwns;
        return true;
    }

    /// <summary>
    /// Counts the page faults of the first second after the resume, which is what population is to save, and looks what is mapped by large
    /// pages then.
    /// </summary>
    private async Task<ReportMessage> MeasureAsync(long? faultsBefore)
    {
        if (faultsBefore is null && request.Specification.Backing == MemoryBacking.BasePages) return new(null, null);
        await Task.WhenAny(vm.Exited, Task.Delay(reportAfter)).ConfigureAwait(false);
        if (vm.Exited.IsCompleted) return new(null, null);
        return new(vm.ReadPageFaults() - faultsBefore, await Task.Run(vm.ReadLargePageCoverage).ConfigureAwait(false));
    }

    /// <summary>Starts the vCPUs. Only a hypervisor that refuses has surely not run the guest, whose disks may have changed otherwise.</summary>
    /// <param name="limit">
    /// How long to wait for it. Where pages are missing the hypervisor may itself wait for one: over a broken link it comes only after
    /// this.
    /// </param>
    private async Task ResumeAsync(TimeSpan limit)
    {
        Task resuming = Task.CompletedTask;
        try
        {
            resuming = vm.ResumeAsync(CancellationToken.None);
            await resuming.WaitAsync(limit).ConfigureAwait(false);
        }
        catch (TimeoutException) when (!resuming.IsCompleted)
        {
            log.Warning("The VM has not resumed after {Limit}: it may wait for a page", limit);
            _ = steps.TryAsync("resume the VM", () => resuming);
        }
        catch (MigrationException error) when (error.Reason != MigrationErrorReason.HypervisorFailed)
        {
            outcome = MigrationOutcome.Undecided;
            await steps.TryAsync(
                "record that nobody can know whether it ran",
                () => RecordAsync(MigrationJournalState.Undecided, CancellationToken.None)).ConfigureAwait(false);
            await steps.TryAsync("take the failed VM into the host", () => place.CompleteAsync(running: true)).ConfigureAwait(false);
            throw new MigrationException(
                MigrationErrorReason.Undecided, $"the VM failed at the moment of its resume and may have run: {error.Message}", null, error);
        }
    }
}
