using System.Collections.Concurrent;
using Polly;
using Polly.Retry;
using Polly.Timeout;
using Serilog;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Asks destinations how migrations ended that this host, as their source, could not decide, with the offer that the journal keeps: in the
/// background for as long as the host is open, and when somebody wants to know. The VM stays paused meanwhile.
/// </summary>
/// <param name="undecided">Ends migrations by the answers.</param>
/// <param name="journal">Knows the migrations.</param>
/// <param name="continuePostcopy">Serves a destination that still misses memory; returns null where there is nothing to serve it from.</param>
/// <param name="log">Told of every answer that decides nothing.</param>
internal sealed class OutcomeInquiry(
    UndecidedMigrations undecided, HostJournal journal,
    Func<JournaledMigration, CancellationToken, Task<MigrationStatus?>> continuePostcopy, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan firstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan longestPause = TimeSpan.FromSeconds(10);

    // A destination without a grant gives the VM up in less.
    private static readonly TimeSpan decisionLimit = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<Guid, Task> asking = new();
    private readonly CancellationTokenSource closing = new();

    /// <summary>Begins to ask for every undecided migration of the journal.</summary>
    public void BeginAll()
    {
        foreach (JournaledMigration migration in journal.ReadMigrations(MigrationRole.Source)) Begin(migration);
    }

    /// <summary>Begins to ask for this migration, where it is undecided and its destination can tell.</summary>
    public void Begin(Guid migrationId) => Begin(undecided.Find(migrationId));

    /// <summary>Asks now, and acts on the answer.</summary>
    /// <param name="migrationId">An undecided migration.</param>
    /// <param name="force">Take the VM back where the destination gives no answer that forbids it.</param>
    /// <param name="cancellationToken">Cancels the asking.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.Undecided"/> where nobody can say; <see cref="MigrationErrorReason.InvalidState"/> where the VM runs at
    /// the destination and its memory is kept here.
    /// </exception>
    public async Task<MigrationStatus> ResumeAsync(Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        JournaledMigration migration = undecided.Find(migrationId);
        string peer = migration.Entry.PeerHostName;
        (MigrationOutcome outcome, MigrationException? failure) = await AskNowAsync(migration, cancellationToken).ConfigureAwait(false);
        switch (outcome)
        {
            case MigrationOutcome.DestinationOwns when IsMismatch(migration):
                throw new MigrationException(
                    MigrationErrorReason.InvalidState,
                    $"Host '{peer}' owns the VM of migration {migrationId}; the copy here is kept because memory did not arrive as it left.",
                    "Stop the copy here with force and remove it once it is needed no more.");
            case MigrationOutcome.DestinationReceives when !IsMismatch(migration)
                && await TryContinueAsync(migration, cancellationToken).ConfigureAwait(false) is { } continued:
                return continued;
            case MigrationOutcome.DestinationReceives:
                throw new MigrationException(
                    MigrationErrorReason.InvalidState,
                    $"Host '{peer}' owns the VM of migration {migrationId} and misses pages that are only in the copy here, which is older"
                    + " than what the VM has written since.",
                    $"End the VM on '{peer}' and start it anew from its disks; then stop the copy here with force and remove it.");
            case MigrationOutcome.DestinationOwns or MigrationOutcome.SourceOwns:
                return await undecided.SettleAsync(migrationId, outcome, cancellationToken).ConfigureAwait(false);
        }

        if (force) return await undecided.TakeBackByForceAsync(migrationId, cancellationToken).ConfigureAwait(false);
        throw new MigrationException(
            MigrationErrorReason.Undecided,
            $"Nobody can say whether host '{peer}' runs the VM of migration {migrationId}: "
            + (failure?.Message ?? (outcome == MigrationOutcome.Undecided
                ? "it ended there at the moment of its resume, and may have run."
                : "the host has not decided yet.")),
            $"See to it that '{peer}' does not run the VM and never will, then resume the migration with force. Where it does run there, it then"
            + " runs twice, and what both write to shared disks destroys them.", failure);
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(asking.Values).ConfigureAwait(false);
        closing.Dispose();
    }

    private static bool IsMismatch(JournaledMigration migration) =>
        migration.Status is { ErrorReason: MigrationErrorReason.MemoryMismatch };

    private void Begin(JournaledMigration migration)
    {
        // What arrived over a mobility path can be asked over no other network, and the path ended with the engine that used it.
        if (migration.Entry.State != MigrationJournalState.Undecided || migration.Request is not { Offer.PathId: null } request) return;
        if (IsMismatch(migration)) return;
        // A post-copy that went on may become undecided once more.
        Task Start(Guid id) => Task.Run(() => FollowAsync(migration.Entry, request.Offer, migration.OutcomeTicket!));
        asking.AddOrUpdate(migration.Entry.MigrationId, Start, (id, before) => before.IsCompleted ? Start(id) : before);
    }

    /// <summary>Asks until the destination says something final, somebody else decides, or the host closes.</summary>
    private async Task FollowAsync(MigrationJournalEntry entry, IncomingOffer offer, byte[] ticket)
    {
        ResiliencePipeline<MigrationOutcome> patient = new ResiliencePipelineBuilder<MigrationOutcome>()
            .AddRetry(Retry(outcome => IsOpen(entry.MigrationId) && outcome == MigrationOutcome.Pending, longestPause, error => IsOpen(entry.MigrationId)
                && error.Reason is MigrationErrorReason.ConnectionLost or MigrationErrorReason.TimedOut
                    or MigrationErrorReason.LinkRefused or MigrationErrorReason.TicketRefused))
            .Build();
        try
        {
            MigrationOutcome outcome = await AskAsync(patient, offer, ticket, closing.Token).ConfigureAwait(false);
            if (IsFinal(outcome)) await undecided.SettleAsync(entry.MigrationId, outcome, closing.Token).ConfigureAwait(false);
            else if (outcome == MigrationOutcome.DestinationReceives)
            {
                await TryContinueAsync(undecided.Find(entry.MigrationId), closing.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (closing.IsCancellationRequested)
        {
            log.Debug("Migration {MigrationId} is still undecided", entry.MigrationId);
        }
        catch (Exception error)
        {
            // Nobody waits for this task: what it does not log is lost.
            log.Error(error, "Host {Destination} does not say how migration {MigrationId} ended", entry.PeerHostName, entry.MigrationId);
        }
    }

    /// <summary>One question, repeated only while the destination answers that it is still deciding.</summary>
    private static async Task<(MigrationOutcome Outcome, MigrationException? Failure)> AskNowAsync(
        JournaledMigration migration, CancellationToken cancellationToken)
    {
        if (migration.Request is not { } request)
        {
            return (MigrationOutcome.Invalid, new(MigrationErrorReason.InvalidState, "the journal holds no offer to ask with."));
        }

        if (request.Offer.PathId is { } pathId)
        {
            return (MigrationOutcome.Invalid, new(MigrationErrorReason.InvalidState,
                $"it was reached over mobility path {pathId}, which is gone; ask it over the control plane."));
        }

        ResiliencePipeline<MigrationOutcome> once = new ResiliencePipelineBuilder<MigrationOutcome>()
            .AddTimeout(decisionLimit)
            .AddRetry(Retry(outcome => outcome == MigrationOutcome.Pending, TimeSpan.FromSeconds(1), _ => false))
            .Build();
        try
        {
            return (await AskAsync(once, request.Offer, migration.OutcomeTicket!, cancellationToken).ConfigureAwait(false), null);
        }
        catch (TimeoutRejectedException)
        {
            return (MigrationOutcome.Pending, null);
        }
        catch (MigrationException error)
        {
            return (MigrationOutcome.Invalid, error);
        }
    }

    private static async Task<MigrationOutcome> AskAsync(
        ResiliencePipeline<MigrationOutcome> retry, IncomingOffer offer, byte[] outcomeTicket, CancellationToken cancellationToken)
    {
        var dialer = new MigrationDialer(offer);
        return await retry.ExecuteAsync(
            async token => await dialer.AskOutcomeAsync(outcomeTicket, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Goes on with a post-copy; null where the destination does not take the pages any more, because its engine is another one.</summary>
    private async Task<MigrationStatus?> TryContinueAsync(JournaledMigration migration, CancellationToken cancellationToken)
    {
        try
        {
            return await continuePostcopy(migration, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            log.Warning(error, "The post-copy of migration {MigrationId} cannot go on", migration.Entry.MigrationId);
            return null;
        }
    }

    private bool IsOpen(Guid migrationId) => undecided.Find(migrationId).Entry.State == MigrationJournalState.Undecided;

    private static bool IsFinal(MigrationOutcome outcome) => outcome is MigrationOutcome.DestinationOwns or MigrationOutcome.SourceOwns;

    private static RetryStrategyOptions<MigrationOutcome> Retry(
        Func<MigrationOutcome, bool> again, TimeSpan maxDelay, Func<MigrationException, bool> bears) => new()
    {
        ShouldHandle = new PredicateBuilder<MigrationOutcome>().Handle(bears).HandleResult(outcome => again(outcome)),
        Delay = firstPause,
        BackoffType = DelayBackoffType.Exponential,
        MaxDelay = maxDelay,
        MaxRetryAttempts = int.MaxValue,
    };
}
