using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The ends a migration can have at its source. Each settles the VM's place, records the end and publishes it, in the order in which a crash
/// between two steps does the least harm; none throws.
/// </summary>
internal sealed class SourceEnding(IOutgoingVm place, MigrationRequest request, IMigrationJournal journal, MigrationStatusFeed feed, ILogger log,
    SourceDisks? disks = null)
{
    private static readonly TimeSpan failurePatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan reportLimit = TimeSpan.FromSeconds(30);

    private readonly IVirtualMachine vm = place.Machine;
    private readonly EndingSteps steps = new(log);

    /// <summary>The VM runs at the destination.</summary>
    /// <param name="link">The connections to the destination; null where they broke.</param>
    /// <param name="resumed">What the destination said of the resume; null where no report will follow.</param>
    /// <param name="result">What the migration did.</param>
    /// <param name="error">What became of the VM there meanwhile; null for nothing.</param>
    public async Task CompleteAsync(SourceLink? link, ResumedMessage? resumed, MigrationResult result, MigrationException? error = null)
    {
        if (!await steps.TryAsync("remove the source's copy", place.RemoveAsync).ConfigureAwait(false))
        {
            // It never runs again; the host removes what is left of it at its next start.
            result = result with { Fallbacks = [.. result.Fallbacks, "The source's copy could not be removed whole; its host's log says why."] };
        }

        else if (disks is not null && request.Options.RemoveSourceDisks)
        {
            result = result with { Fallbacks = [.. result.Fallbacks, .. disks.RemoveFiles()] };
        }

        if (disks is not null) result = result with { Disks = disks.Results };
        ReportMessage? report = await ReadReportAsync(link, resumed).ConfigureAwait(false);
        result = result with { FaultsAfterResume = report?.FaultsAfterResume, LargePagesAtDestination = report?.LargePages };
        await RecordAsync(MigrationJournalState.Completed).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Completed, status => status with
        {
            Result = result,
            Progress = status.Progress with { PagesMissing = 0 },
            ErrorReason = error?.Reason ?? MigrationErrorReason.Invalid,
            ErrorMessage = error?.Message,
            RecommendedAction = error?.RecommendedAction,
        });
        log.Information("Migrated to {Destination} in {TotalTime}, downtime {Downtime}", request.Offer.DestinationHostName,
            result.TotalTime, result.Downtime);
    }

    /// <summary>The VM stays here: the destination has no grant, or has said that it never ran the VM.</summary>
    /// <param name="link">The connections to the destination; null where there never were any.</param>
    /// <param name="error">What was noticed.</param>
    /// <param name="resume">Whether the VM is to run again.</param>
    /// <param name="cancelled">Whether somebody asked for it.</param>
    /// <param name="liftTrace">Lifts the write traces, which can wait until the VM runs.</param>
    public async Task RollBackAsync(SourceLink? link, Exception error, bool resume, bool cancelled, Action liftTrace)
    {
        // The record comes first: a VM that runs while its journal says 'granted' would not be allowed to after a crash.
        await RecordAsync(MigrationJournalState.RolledBack).ConfigureAwait(false);
        bool resumed = !resume || vm.Exited.IsCompleted
            || await steps.TryAsync("resume the VM", () => vm.ResumeAsync(CancellationToken.None)).ConfigureAwait(false);
        if (!vm.Exited.IsCompleted)
        {
            await steps.TryAsync("take the brake off", () => vm.SetVcpuShareAsync(1, CancellationToken.None)).ConfigureAwait(false);
        }

        liftTrace();
        if (!vm.Exited.IsCompleted)
        {
            await steps.TryAsync(
                "map memory by large pages again", () => vm.RestoreLargePagesAsync(CancellationToken.None)).ConfigureAwait(false);
        }

        MigrationException reason = await ExplainAsync(link, error, cancelled).ConfigureAwait(false);
        log.Warning(error, "Rolled back: {Reason}: {Message}", reason.Reason, reason.Message);
        if (link is not null) await steps.TryAsync("tell the destination", () => AbortAsync(link, reason)).ConfigureAwait(false);
        await steps.TryAsync("give the VM back to its host", place.ReturnAsync).ConfigureAwait(false);
        feed.MoveTo(MigrationState.RolledBack, status => status with
        {
            ErrorReason = reason.Reason,
            ErrorMessage = reason.Message,
            RecommendedAction = resumed
                ? reason.RecommendedAction
                : "The VM is whole but did not resume; the host's log says why. Resume it by hand.",
        });
    }

    /// <summary>Nobody can say whether the VM runs at the destination.</summary>
    /// <param name="cause">What was noticed; null for nothing.</param>
    public Task KeepUndecidedAsync(Exception? cause)
    {
        MigrationStatus status = feed.Current;
        string message = $"'{status.VmName}' was given to {status.DestinationHostName}, which does not say that it runs there"
            + (cause is MigrationException { Reason: MigrationErrorReason.Undecided } ? $" ({cause.Message})" : "")
            + ". It is kept here, paused.";
        return KeepCopyAsync(
            MigrationErrorReason.Undecided, message,
            $"Look on {status.DestinationHostName} whether the VM runs there; resume it here only if it does not.");
    }

    /// <summary>The VM is the destination's, but cannot go on there without what is kept here.</summary>
    /// <param name="cause">Says why, and what to do.</param>
    public Task KeepCopyAsync(MigrationException cause) => KeepCopyAsync(cause.Reason, cause.Message, cause.RecommendedAction);

    private async Task KeepCopyAsync(MigrationErrorReason reason, string message, string? action)
    {
        await RecordAsync(MigrationJournalState.Undecided).ConfigureAwait(false);
        await steps.TryAsync("keep the VM paused", () => place.KeepUndecidedAsync(message)).ConfigureAwait(false);
        feed.MoveTo(MigrationState.Undecided, current => current with
        {
            ErrorReason = reason,
            ErrorMessage = message,
            RecommendedAction = action,
        });
    }

    /// <summary>Waits for the report on the first second after the resume; null where it does not arrive.</summary>
    private async Task<ReportMessage?> ReadReportAsync(SourceLink? link, ResumedMessage? resumed)
    {
        if (link is null || resumed is null) return null;
        try
        {
            ControlFrame frame = await link.ExpectAsync(FrameType.Report, reportLimit, CancellationToken.None).ConfigureAwait(false);
            return frame.Read(ControlMessages.Default.ReportMessage);
        }
        catch (MigrationException error)
        {
            log.Warning(error, "The destination's report on the first second after the resume did not arrive");
            return null;
        }
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

    private static async Task AbortAsync(SourceLink link, MigrationException reason)
    {
        link.CloseData();
        if (link.Broken.IsCancellationRequested) return;
        using var limit = new CancellationTokenSource(failurePatience);
        await link.SendAsync(
            FrameType.Abort, FailureMessage.Of(reason), ControlMessages.Default.FailureMessage,
            limit.Token).ConfigureAwait(false);
    }

    private Task<bool> RecordAsync(MigrationJournalState state) => steps.TryAsync($"record {state}", () => journal.RecordAsync(
        new(request.Offer.MigrationId, MigrationRole.Source, vm.Specification.Id, request.Offer.DestinationHostName, state,
            DateTimeOffset.UtcNow),
        CancellationToken.None).AsTask());
}
