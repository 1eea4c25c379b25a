using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The migrations of a host. Those under way are kept here; of those that ended the journal has the last status.
/// </summary>
internal sealed class LocalHostMigrations : ILocalHostMigrations
{
    private static readonly TimeSpan keepAgainAfter = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Guid, RunningMigration<SourceMigration>> outgoing = new();
    private readonly ConcurrentDictionary<Guid, RunningMigration<DestinationMigration>> incoming = new();
    private readonly LocalHostParts parts;
    private readonly MigrationListener listener;
    private readonly OutcomeInquiry inquiry;
    private readonly IncomingDiskMoves diskMoves;
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private bool closed;

    public LocalHostMigrations(LocalHostParts parts)
    {
        this.parts = parts;
        var endpoint = new IPEndPoint(parts.Options.ListenAddress, parts.Options.ListenPort);
        listener = new(endpoint, parts.Link.CertificateFor(endpoint.Address), parts.Options.Name, parts.Logger, FindOutcome,
            parts.Options.Network);
        parts.Disks.Entrance = listener;
        parts.Paths.Listen = (inside, network) =>
            new(inside, parts.Link.CertificateFor(inside.Address), parts.Options.Name, parts.Logger, FindOutcome, network);

        diskMoves = new(parts, TryStart, closing.Token);
        inquiry = new(parts.Undecided, parts.Journal, ContinuePostcopyAsync, parts.Logger);
        inquiry.BeginAll();

        // Beside what comes before the first migration, which should not have to wait for it.
        _ = DowntimePath.PrepareAsync();
    }

    public IPEndPoint Endpoint => listener.Endpoint;

    public async Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, CancellationToken cancellationToken)
    {
        request.Options.Validate();
        if (request.PathId is not { } pathId) return await PrepareIncomingAsync(request, null, cancellationToken).ConfigureAwait(false);
        LocalPathUse path = await parts.Paths
            .TakeAsync(pathId, MobilityPathRole.Destination, request.MigrationId, cancellationToken).ConfigureAwait(false);
        try
        {
            return await PrepareIncomingAsync(request, path, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await path.ReturnAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task WithdrawIncomingAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        if (incoming.TryGetValue(migrationId, out RunningMigration<DestinationMigration>? running))
        {
            if (running.Migration.Outcome == MigrationOutcome.DestinationReceives) throw RefuseToCancel(migrationId);
            await running.CancelAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        if (diskMoves.FindOutcome(migrationId) == MigrationOutcome.DestinationReceives) throw RefuseToCancel(migrationId);
        await diskMoves.CancelAsync(migrationId).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, CancellationToken cancellationToken)
    {
        request.Offer.Validate();
        request.Options.Validate();
        parts.Link.RequireEnough(request.Offer, parts.Options.Name);
        if (request.Offer.PathId is not { } pathId) return await StartMigrationAsync(request, null, cancellationToken).ConfigureAwait(false);
        LocalPathUse path = await parts.Paths
            .TakeAsync(pathId, MobilityPathRole.Source, request.Offer.MigrationId, cancellationToken).ConfigureAwait(false);
        try
        {
            return await StartMigrationAsync(request, path, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await path.ReturnAsync().ConfigureAwait(false);
            throw;
        }
    }

    public Task<IReadOnlyList<MigrationStatus>> ListMigrationsAsync(CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        MigrationStatus[] underWay = [.. outgoing.Values.Select(running => running.Migration.Status)];
        IEnumerable<MigrationStatus> ended = parts.Journal.ReadMigrations(MigrationRole.Source)
            .Select(migration => migration.Status).OfType<MigrationStatus>();
        return Task.FromResult<IReadOnlyList<MigrationStatus>>(
            [.. underWay.Concat(ended).DistinctBy(status => status.Id).OrderBy(status => status.StartedAt)]);
    }

    public Task<MigrationStatus> GetMigrationAsync(Guid migrationId, CancellationToken cancellationToken) =>
        Task.FromResult(FindRunning(migrationId)?.Migration.Status ?? FindEnded(migrationId));

    public async IAsyncEnumerable<MigrationStatus> WatchMigrationAsync(
        Guid migrationId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (FindRunning(migrationId) is not { } running)
        {
            yield return FindEnded(migrationId);
            yield break;
        }

        await foreach (MigrationStatus status in running.Migration.WatchAsync(cancellationToken).ConfigureAwait(false)) yield return status;
    }

    public async Task<MigrationStatus> ResumeMigrationAsync(Guid migrationId, bool force, CancellationToken cancellationToken)
    {
        if (FindUnderWay(migrationId) is not { } running)
        {
            MigrationStatus ended = FindEnded(migrationId);
            if (ended.State == MigrationState.Undecided)
            {
                return await inquiry.ResumeAsync(migrationId, force, cancellationToken).ConfigureAwait(false);
            }

            throw new MigrationException(
                MigrationErrorReason.InvalidState,
                $"Migration {migrationId} is {ended.State}; only a paused post-copy or an undecided migration can be resumed.");
        }

        await running.Migration.ResumeAsync(cancellationToken).ConfigureAwait(false);
        return running.Migration.Status;
    }

    public Task<MigrationOutcome> GetIncomingOutcomeAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        if (incoming.TryGetValue(migrationId, out RunningMigration<DestinationMigration>? running))
        {
            return Task.FromResult(running.Migration.Outcome);
        }

        if (diskMoves.FindOutcome(migrationId) is { } outcome) return Task.FromResult(outcome);

        return parts.Journal.FindMigration(migrationId, MigrationRole.Destination) is { } migration
            ? Task.FromResult(CommitRules.OutcomeOf(migration.Entry.State))
            : throw new MigrationException(
                MigrationErrorReason.MigrationNotFound, $"Host '{parts.Options.Name}' knows of no migration {migrationId} that was to arrive.",
                "Ask the host that the migration went to. That this one does not know it says nothing about who owns the VM.");
    }

    public async Task<MigrationStatus> SettleMigrationAsync(
        Guid migrationId, MigrationOutcome outcome, CancellationToken cancellationToken) =>
        FindUnderWay(migrationId) is { } running
            ? throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Migration {migrationId} is {running.Migration.Status.State} and decides by itself.")
            : await parts.Undecided.SettleAsync(migrationId, outcome, cancellationToken).ConfigureAwait(false);

    public async Task<MigrationStatus> CancelMigrationAsync(Guid migrationId, CancellationToken cancellationToken)
    {
        if (FindUnderWay(migrationId) is not { } running) return FindEnded(migrationId);
        Task ending = running.CancelAsync();

        // The commit may have come first: then it neither ends now nor can it be cancelled.
        await foreach (MigrationStatus status in running.Migration.WatchAsync(cancellationToken).ConfigureAwait(false))
        {
            if (status.State is MigrationState.Postcopy or MigrationState.PostcopyPaused) throw RefuseToCancel(migrationId);
        }

        await ending.WaitAsync(cancellationToken).ConfigureAwait(false);
        return running.Migration.Status;
    }

    public async ValueTask DisposeAsync()
    {
        lock (gate) closed = true;
        await closing.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll(outgoing.Values.Select(running => running.Ended).Concat(incoming.Values.Select(running => running.Ended))
                .Append(diskMoves.Ended)).ConfigureAwait(false);
        }
        finally
        {
            // Each is closed, whatever the others throw.
            try
            {
                await inquiry.DisposeAsync().ConfigureAwait(false);
            }
            finally
            {
                try
                {
                    await listener.DisposeAsync().ConfigureAwait(false);
                }
                finally
                {
                    closing.Dispose();
                }
            }
        }
    }

    private async Task<IncomingOffer> PrepareIncomingAsync(IncomingRequest request, LocalPathUse? path, CancellationToken cancellationToken)
    {
        MigrationListener entrance = path?.Listener ?? listener;
        if (IncomingDiskMoves.Concerns(request))
        {
            IncomingOffer withDisks = entrance.MakeOffer(diskMoves.Start(request, entrance, path));
            return path is null ? withDisks : withDisks with { Address = path.DestinationAddress, PathId = request.PathId };
        }

        IncomingVm place = await parts.Transfers.MakeIncomingAsync(request, cancellationToken).ConfigureAwait(false);
        var migration = new DestinationMigration(place, request, parts.Journal, parts.Logger);
        try
        {
            await migration.BeginAsync(cancellationToken).ConfigureAwait(false);
            parts.Journal.SaveOffer(request.MigrationId, entrance.Endpoint.ToString(), Hello.OutcomeTicketOf(migration.Ticket.Span));
        }
        catch
        {
            await place.RemoveAsync().ConfigureAwait(false);
            throw;
        }

        bool started = TryStart(() =>
        {
            entrance.Register(migration);
            incoming[request.MigrationId] = new(migration, token => ReceiveAsync(migration, entrance, path, token), closing.Token);
        });
        if (!started)
        {
            await place.RemoveAsync().ConfigureAwait(false);
            throw VmRegistry.HostClosed();
        }

        IncomingOffer offer = entrance.MakeOffer(migration);
        return path is null ? offer : offer with { Address = path.DestinationAddress, PathId = request.PathId };
    }

    private async Task<MigrationStatus> StartMigrationAsync(MigrationRequest request, LocalPathUse? path, CancellationToken cancellationToken)
    {
        Guid id = request.Offer.MigrationId;
        OutgoingVm place = await parts.Transfers
            .TakeOutgoingAsync(request.VmId, id, request.Offer.DestinationHostName, cancellationToken).ConfigureAwait(false);
        ISocketPlace? network = path?.Network ?? parts.Options.Network;
        bool withDisks = request.Options.IncludeDisks && place.Specification.Qemu is { Disks.Count: > 0 };
        var migration = new SourceMigration(
            place, request, parts.Options.Name, parts.Journal, parts.Logger, network, path?.Kind ?? MobilityPathKind.Direct,
            diskCopies: withDisks ? new LocalDiskCopies(parts.Disks, path) : null);
        try
        {
            await migration.BeginAsync(cancellationToken).ConfigureAwait(false);
            parts.Journal.SaveRequest(request, migration.Status);
        }
        catch
        {
            await place.ReturnAsync().ConfigureAwait(false);
            throw;
        }

        if (!TryStart(() => outgoing[id] = new(migration, token => SendAsync(migration, path, token), closing.Token)))
        {
            await place.ReturnAsync().ConfigureAwait(false);
            throw VmRegistry.HostClosed();
        }

        return migration.Status;
    }

    /// <summary>Starts a migration unless the host is closing: what is started here is waited for there.</summary>
    private bool TryStart(Action start)
    {
        lock (gate)
        {
            if (closed) return false;
            start();
            return true;
        }
    }

    /// <summary>Answers from the journal a source that asks how a migration ended, also after a restart of this host.</summary>
    private MigrationOutcome? FindOutcome(Guid migrationId, byte[] outcomeTicket)
    {
        if (parts.Journal.FindMigration(migrationId, MigrationRole.Destination) is not { TicketHash: { } hash } migration
            || !CryptographicOperations.FixedTimeEquals(hash, outcomeTicket))
        {
            return null;
        }

        return CommitRules.OutcomeOf(migration.Entry.State);
    }

    private async Task ReceiveAsync(
        DestinationMigration migration, MigrationListener entrance, LocalPathUse? path, CancellationToken withdraw)
    {
        try
        {
            await migration.RunAsync(withdraw, closing.Token).ConfigureAwait(false);
            incoming.TryRemove(migration.MigrationId, out _);

            // An outcome that stayed open is answered as open; any other is in the journal.
            if (migration.Outcome != MigrationOutcome.Pending) entrance.Unregister(migration.MigrationId);
        }
        finally
        {
            if (path is not null) await path.EndAsync(migration.MayBeAsked).ConfigureAwait(false);
        }
    }

    private async Task SendAsync(SourceMigration migration, LocalPathUse? path, CancellationToken cancel)
    {
        try
        {
            await KeepEndAsync(await migration.RunAsync(cancel, closing.Token).ConfigureAwait(false), cancel).ConfigureAwait(false);
        }
        finally
        {
            if (path is not null) await path.EndAsync(mayBeAsked: false).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Keeps the last status, and tries that again while the journal cannot be written: until then the status is only in memory, and what the
    /// destination says of an undecided migration could not be recorded either.
    /// </summary>
    private async Task KeepEndAsync(MigrationStatus status, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                KeepEnd(status);
                return;
            }
            catch (MigrationException error)
            {
                parts.Logger.Error(error, "The last status of migration {MigrationId} could not be kept; it is tried again", status.Id);
                await Task.Delay(keepAgainAfter, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (cancellationToken.IsCancellationRequested) return;
            }
        }
    }

    private void KeepEnd(MigrationStatus status)
    {
        // One at a time: once it is kept somebody else may settle it, and what that saves must stay.
        lock (gate)
        {
            if (!outgoing.ContainsKey(status.Id)) return;
            parts.Journal.SaveStatus(status);
            outgoing.TryRemove(status.Id, out _);
        }

        if (status.State == MigrationState.Undecided) inquiry.Begin(status.Id);
    }

    /// <summary>A migration that has not ended; null for one that has, whose last status the journal has then.</summary>
    /// <exception cref="MigrationException">It has ended, and its last status cannot be kept.</exception>
    private RunningMigration<SourceMigration>? FindUnderWay(Guid migrationId)
    {
        if (FindRunning(migrationId) is not { } running) return null;
        if (!running.Migration.Status.HasEnded) return running;

        KeepEnd(running.Migration.Status);
        return null;
    }

    /// <summary>Serves again, after a restart of this host, what the destination still misses of a VM that runs there.</summary>
    /// <returns>Where it stands then; null where there is no copy to serve it from.</returns>
    private async Task<MigrationStatus?> ContinuePostcopyAsync(JournaledMigration journaled, CancellationToken cancellationToken)
    {
        if (journaled is not { Request: { } request, Status: { } before }) return null;
        if (await parts.Transfers.TakeUndecidedAsync(journaled, cancellationToken).ConfigureAwait(false) is not { } place) return null;
        try
        {
            (SourceLink link, PageSet missing) = await SourceLink.RecoverAsync(
                new MigrationDialer(request.Offer), Math.Max(request.Options.Channels, 1), place.Machine.Memory.SizeBytes, cancellationToken)
                .ConfigureAwait(false);
            var migration = new SourceMigration(place, request, parts.Options.Name, parts.Journal, parts.Logger, before: before);
            if (TryStart(() => outgoing[journaled.Entry.MigrationId] = new(
                migration,
                async cancel => await KeepEndAsync(
                    await migration.ContinueAsync(link, missing, closing.Token).ConfigureAwait(false), cancel).ConfigureAwait(false),
                closing.Token)))
            {
                return migration.Status;
            }

            await link.DisposeAsync().ConfigureAwait(false);
            throw VmRegistry.HostClosed();
        }
        catch
        {
            await place.KeepUndecidedAsync(before.ErrorMessage ?? "It was given away, and part of its memory is kept here.").ConfigureAwait(false);
            throw;
        }
    }

    private static MigrationException RefuseToCancel(Guid migrationId) => new(
        MigrationErrorReason.InvalidState,
        $"Migration {migrationId} cannot be cancelled any more: the VM runs at the destination,"
        + " and part of its memory is still at the source.",
        "Let it end. Where it is paused, mend the link between the hosts and resume it.");

    private RunningMigration<SourceMigration>? FindRunning(Guid migrationId)
    {
        parts.RequireOpen();
        return outgoing.GetValueOrDefault(migrationId);
    }

    private MigrationStatus FindEnded(Guid migrationId) =>
        parts.Journal.FindMigration(migrationId, MigrationRole.Source)?.Status
        ?? throw new MigrationException(
            MigrationErrorReason.MigrationNotFound, $"No migration {migrationId} is known on host '{parts.Options.Name}'.",
            "List the host's migrations to see their ids.");
}
