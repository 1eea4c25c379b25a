using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// What one run of a migration at its source holds from phase to phase: <see cref="SourceMove"/> fills it, <see cref="SourceHandover"/> and
/// <see cref="SourceEnding"/> give it back.
/// </summary>
/// <param name="place">The VM.</param>
/// <param name="request">Where it goes, and how.</param>
/// <param name="dialer">Reaches the destination.</param>
/// <param name="journal">Written before every step that a restart must know of.</param>
/// <param name="feed">Publishes where the migration stands.</param>
/// <param name="log">Takes what happens.</param>
[SuppressMessage("Design", "CA1001", Justification = "The post-copy is disposed of at its end, within the run.")]
internal sealed class SourceRun(
    IOutgoingVm place, MigrationRequest request, MigrationDialer dialer, IMigrationJournal journal, MigrationStatusFeed feed, ILogger log)
{
    private AsyncLock.Holder? runStateHeld;

    /// <summary>The VM that moves.</summary>
    public IVirtualMachine Vm { get; } = place.Machine;

    /// <summary>Where it goes, and how.</summary>
    public MigrationRequest Request => request;

    /// <summary>Reaches the destination.</summary>
    public MigrationDialer Dialer => dialer;

    /// <summary>Publishes where the migration stands.</summary>
    public MigrationStatusFeed Feed => feed;

    /// <summary>Takes what happens.</summary>
    public ILogger Log => log;

    /// <summary>When it began; <see cref="Stopwatch.GetTimestamp"/>.</summary>
    public long StartedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>Whether the VM ran when it began, and so is to run after a rollback.</summary>
    public bool WasRunning { get; set; }

    /// <summary>Knows the writes to the VM's memory; null before the first pass, and where the hypervisor moves the memory.</summary>
    public WriteTrace? Trace { get; set; }

    /// <summary>Serves the pages the destination asks for; null unless the VM leaves before its memory.</summary>
    public SourcePostcopy? Postcopy { get; set; }

    /// <summary>Moves the VM's disks; null where they stay.</summary>
    public SourceDisks? Disks { get; set; }

    /// <summary>From here on nobody else pauses or resumes the VM.</summary>
    public async Task HoldRunStateAsync(CancellationToken cancellationToken) =>
        runStateHeld = await place.RunState.EnterAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Others may pause and resume the VM again; nothing where it is not held.</summary>
    public void ReleaseRunState()
    {
        runStateHeld?.Dispose();
        runStateHeld = null;
    }

    /// <summary>Lifts the traces. Only when the time no longer counts: over much memory that takes milliseconds.</summary>
    public void LiftTrace()
    {
        try
        {
            Trace?.Dispose();
        }
        catch (MigrationException error)
        {
            // A VM that ended took its traces with it.
            log.Debug(error, "The write traces could not be lifted");
        }
    }

    /// <summary>Ends the post-copy, where there is one: from here on nothing reads the VM's memory for the destination.</summary>
    public ValueTask EndPostcopyAsync() => Postcopy is { } begun ? begun.DisposeAsync() : ValueTask.CompletedTask;

    /// <summary>Gives up the move of the disks, where there is one, before the VM runs on.</summary>
    /// <param name="error">What was noticed.</param>
    /// <param name="cancelled">Whether somebody asked for it.</param>
    /// <returns>The failure behind it: where the disks broke, what was noticed is that the rest was stopped.</returns>
    public async Task<Exception> EndDisksAsync(Exception error, bool cancelled)
    {
        if (Disks is null) return error;
        if (error is OperationCanceledException && Disks.Failure is { } failure) error = failure;
        MigrationException reason = cancelled
            ? new(MigrationErrorReason.Cancelled, "The source cancelled the migration.", null, error)
            : error as MigrationException ?? new(MigrationErrorReason.HypervisorFailed, $"The source failed: {error.Message}", null, error);
        await Disks.EndAsync(reason).ConfigureAwait(false);
        return error;
    }

    /// <summary>Writes to the journal where the migration stands.</summary>
    /// <exception cref="MigrationException">The journal cannot be written.</exception>
    public ValueTask RecordAsync(MigrationJournalState state, CancellationToken cancellationToken) => journal.RecordAsync(
        new(request.Offer.MigrationId, MigrationRole.Source, Vm.Specification.Id, request.Offer.DestinationHostName, state,
            DateTimeOffset.UtcNow),
        cancellationToken);
}
