using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Drives one migration from its source host: <c>Setup → Precopy → Switchover → Completed</c>, or back. Before the commit
/// (<see cref="SourceMove"/>) every failure leaves the VM as it was at the source; after it (<see cref="SourceHandover"/>) the destination's
/// word decides, and without that word both copies stay, paused.
/// </summary>
internal sealed class SourceMigration
{
    private readonly MigrationRequest request;
    private readonly MigrationStatusFeed feed;
    private readonly SourceRun run;
    private readonly SourceMove move;
    private readonly SourceHandover handover;
    private readonly SourceEnding ending;
    private MigrationTelemetryFeed? telemetry;

    /// <param name="place">The VM.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="sourceHostName">Name of this host.</param>
    /// <param name="journal">Written before every step that a restart must know of.</param>
    /// <param name="log">Takes what happens.</param>
    /// <param name="network">Where the connections start; null for the ordinary network.</param>
    /// <param name="pathKind">How the connections are kept apart, for the result.</param>
    /// <param name="diskCopies">Copies the VM's disks; null where they do not move.</param>
    /// <param name="before">The status an engine before this one left of it in its post-copy; null for a new one.</param>
    public SourceMigration(
        IOutgoingVm place, MigrationRequest request, string sourceHostName, IMigrationJournal journal, ILogger log,
        ISocketPlace? network = null, MobilityPathKind pathKind = MobilityPathKind.Direct,
        IDiskCopies? diskCopies = null, MigrationStatus? before = null)
    {
        IVirtualMachine vm = place.Machine;
        this.request = request;
        ILogger named = log.ForContext("MigrationId", request.Offer.MigrationId).ForContext("VmName", vm.Specification.Name);
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
        run = new(place, request, new(request.Offer, network), journal, feed, named);
        if (diskCopies is not null) run.Disks = new(place, request, run.Dialer, diskCopies, feed, named);
        ending = new(place, request, journal, feed, named, run.Disks);
        move = new(run, pathKind);
        handover = new(run, ending);
    }

    /// <summary>Where it stands.</summary>
    public MigrationStatus Status => feed.Current;

    /// <summary>Follows it; see <see cref="MigrationStatusFeed.WatchAsync"/>.</summary>
    public IAsyncEnumerable<MigrationStatus> WatchAsync(CancellationToken cancellationToken) => feed.WatchAsync(cancellationToken);

    /// <summary>Records in the journal that it begins; comes before <see cref="RunAsync"/>.</summary>
    public ValueTask BeginAsync(CancellationToken cancellationToken) => run.RecordAsync(MigrationJournalState.Started, cancellationToken);

    /// <summary>Goes on with a post-copy whose link broke; see <see cref="SourcePostcopy.ResumeAsync"/>.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken) => run.Postcopy is { } paused
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
                // Copying takes its time: meanwhile others may pause and resume the VM.
                if (run.Disks is { } disks) await disks.PrepareAsync(cancellationToken).ConfigureAwait(false);
                await run.HoldRunStateAsync(cancellationToken).ConfigureAwait(false);
                run.WasRunning = await run.Vm.GetStateAsync(cancellationToken).ConfigureAwait(false) == VmState.Running;
                link = await SourceLink.OpenAsync(
                    run.Dialer, move.ChannelCount, run.Vm.Memory.SizeBytes, move.PostcopyWanted, cancellationToken).ConfigureAwait(false);
                result = await move.RunAsync(link, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (Exception thrown)
            {
                Exception error = await run.EndDisksAsync(thrown, cancellationToken.IsCancellationRequested).ConfigureAwait(false);

                // Before the VM runs on: nothing may go on reading its memory for the destination.
                await run.EndPostcopyAsync().ConfigureAwait(false);
                await ending.RollBackAsync(
                    link, error, run.WasRunning, cancellationToken.IsCancellationRequested, run.LiftTrace).ConfigureAwait(false);
                return feed.Current;
            }

            await handover.CommitAsync(link, move, result, closing).ConfigureAwait(false);
            return feed.Current;
        }
        finally
        {
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
            if (run.Disks is { } disks) await disks.EndAsync(reason: null).ConfigureAwait(false);
            run.ReleaseRunState();
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
            await run.HoldRunStateAsync(CancellationToken.None).ConfigureAwait(false);
            try
            {
                MigrationRequest unverified = request with { Options = request.Options with { VerifyMemory = false } };
                var postcopy = new SourcePostcopy(run.Vm, unverified, missing, run.Dialer, link, new(), feed, run.Log);
                run.Postcopy = postcopy;
                var result = new MigrationResult
                {
                    WriteTraceMechanism = WriteTraceMechanism.Invalid,
                    LinkSecurity = request.Offer.Security,
                    Channels = link.Data.Count,
                    Fallbacks = ["The source's engine was restarted in the post-copy: what came before is not counted, nor is memory compared."],
                };
                await handover.FollowAsync(postcopy, link, resumed: null, result, closing).ConfigureAwait(false);
                return feed.Current;
            }
            finally
            {
                run.ReleaseRunState();
            }
        }
    }
}
