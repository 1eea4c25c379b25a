using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Serilog;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The ends of mobility paths that one host has. Each is in the journal before anything of it is made and until all of it is gone; what a
/// killed engine left is removed when the host is opened.
/// </summary>
internal sealed class LocalHostPaths : IAsyncDisposable
{
    private static readonly TimeSpan probeLimit = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<Guid, LocalPathEnd> ends = new();
    private readonly VmRegistry registry;
    private readonly HostJournal journal;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly NatGatewayProvider gateway;
    private readonly IMobilityPathProvider[] providers;
    private readonly LocalHostPathUpkeep upkeep;
    private volatile bool closed;

    /// <param name="options">Whether the host may be a gateway, and how long ends wait.</param>
    /// <param name="registry">Knows whether the host is open.</param>
    /// <param name="journal">The host's journal.</param>
    /// <param name="clock">Measures how long ends wait.</param>
    /// <param name="log">The host's log.</param>
    public LocalHostPaths(LocalHostOptions options, VmRegistry registry, HostJournal journal, TimeProvider clock, ILogger log)
    {
        this.registry = registry;
        this.journal = journal;
        this.clock = clock;
        this.log = log;
        Network = options.Network ?? PathNetwork.OfProcess;
        gateway = new(Network, options.PathGateway);
        providers = [new OverlayPathProvider(Network, log), new NatPathProvider(Network, log), gateway];
        Prerequisites = new(providers, gateway);
        upkeep = new(this, gateway, options, clock, log);
    }

    /// <summary>The host's own network.</summary>
    public PathNetwork Network { get; }

    /// <summary>What the host can take part in.</summary>
    public PathPrerequisites Prerequisites { get; }

    /// <summary>Opens what lets migrations in over a path; set by whoever receives them.</summary>
    public Func<IPEndPoint, ISocketPlace, MigrationListener>? Listen { get; set; }

    /// <summary>All that is known now, unfinished ones included.</summary>
    public IEnumerable<LocalPathEnd> Ends => ends.Values;

    /// <summary>Removes what a killed engine left; what cannot be removed stays as <see cref="MobilityPathState.Failed"/>.</summary>
    public async Task RecoverAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<JournaledPathEnd> leftovers = journal.ReadPathEnds();
        foreach (JournaledPathEnd leftover in leftovers.Where(leftover => leftover.ForwardingEnabled)) gateway.AdoptForwarding(leftover.Request);
        foreach (JournaledPathEnd leftover in leftovers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var end = new LocalPathEnd(leftover.Request, leftover.MadeAt) { ForwardingEnabled = leftover.ForwardingEnabled };
            end.Change(snapshot => snapshot with { State = MobilityPathState.Failed, Failure = leftover.Failure ?? "The engine ended." });
            ends[leftover.Request.PathId] = end;
            if (await TryRemoveAsync(end).ConfigureAwait(false)) log.Warning("Removed path {PathId}, which an engine left", end.Request.PathId);
        }

        upkeep.Start();
    }

    /// <inheritdoc cref="IMigrationHost.PreparePathAsync"/>
    public async Task<MobilityPathEnd> PrepareAsync(MobilityPathRequest request, CancellationToken cancellationToken)
    {
        registry.RequireOpen();
        PathRequestCheck.Require(request);
        IMobilityPathProvider provider = ProviderOf(request);
        if (await Prerequisites.FindObstacleAsync(provider, cancellationToken).ConfigureAwait(false) is { } obstacle)
        {
            throw new MigrationException(
                MigrationErrorReason.PrerequisiteMissing, $"This host cannot be the {request.Role} of a {request.Kind} path: {obstacle}",
                "Mend the reason, or choose another kind of path.");
        }

        long startedAt = clock.GetTimestamp();
        var end = new LocalPathEnd(request, clock.GetUtcNow());
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (ends.Values.Any(other => other.Request.SourceVirtualAddress == request.SourceVirtualAddress) || !ends.TryAdd(request.PathId, end))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState,
                $"This host has an end of path {request.PathId}, or of one with the virtual address {request.SourceVirtualAddress}, already.",
                "Remove it first, or make a path with other numbers.");
        }

        try
        {
            // After the end is among them: closing waits for its lock.
            if (closed) throw VmRegistry.HostClosed();
            end.ForwardingEnabled = ReferenceEquals(provider, gateway) && gateway.WillEnableForwarding;
            journal.SavePathEnd(new(request, end.MadeAt, end.ForwardingEnabled, null));

            // Not cancelled between: a program that is killed may have done its work or not.
            end.Prepared = await provider.PrepareAsync(request, CancellationToken.None).ConfigureAwait(false);
            if (end.Prepared.ListenEndpoint is { } endpoint) end.Listener = Open(endpoint, end.Prepared.Network);
            cancellationToken.ThrowIfCancellationRequested();
            TimeSpan setupTime = clock.GetElapsedTime(startedAt);
            end.LastSignAt = clock.GetTimestamp();
            end.Change(made => made with { SetupTime = setupTime, Resources = end.Prepared.Resources });
            MigrationMetrics.RecordPathSetup(request.Kind, setupTime);
            log.Information("Made the {Role} end of {Kind} path {PathId} in {SetupTime}", request.Role, request.Kind, request.PathId, setupTime);
            return end.Snapshot!;
        }
        catch (Exception error)
        {
            log.Warning("Path {PathId} could not be made: {Message}", request.PathId, error.Message);
            await TryRemoveLockedAsync(end).ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc cref="IMigrationHost.ListPathsAsync"/>
    public Task<IReadOnlyList<MobilityPathEnd>> ListAsync(CancellationToken cancellationToken)
    {
        registry.RequireOpen();
        return Task.FromResult<IReadOnlyList<MobilityPathEnd>>(
            [.. ends.Values.Select(end => end.Snapshot).OfType<MobilityPathEnd>().OrderBy(end => end.MadeAt)]);
    }

    /// <inheritdoc cref="IMigrationHost.ProbePathAsync"/>
    public async Task<TimeSpan?> ProbeAsync(Guid pathId, CancellationToken cancellationToken)
    {
        LocalPathEnd end = Find(pathId);
        MobilityPathRequest request = end.Request;
        if (request.Role != MobilityPathRole.Source || end.Prepared is not { } prepared)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"This host is the {request.Role} of path {pathId}; only the source reaches out over it.",
                "Probe it from its source.");
        }

        IPAddress destination = IPAddress.Parse(request.DestinationVirtualAddress);
        using Socket socket = prepared.Network.Open(destination.AddressFamily);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(probeLimit);
        long startedAt = Stopwatch.GetTimestamp();
        try
        {
            await socket.ConnectAsync(new IPEndPoint(destination, request.DataPort), limit.Token).ConfigureAwait(false);
            return Stopwatch.GetElapsedTime(startedAt);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            log.Information("Nothing answers over path {PathId}: {Message}", pathId, error.Message);
            return null;
        }
    }

    /// <inheritdoc cref="IMigrationHost.RemovePathAsync"/>
    public async Task RemoveAsync(Guid pathId, CancellationToken cancellationToken)
    {
        registry.RequireOpen();
        if (!ends.TryGetValue(pathId, out LocalPathEnd? end)) return;
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (end.Snapshot is { State: MobilityPathState.InUse, MigrationId: { } user } && !end.IsLeaving)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState, $"Migration {user} uses path {pathId}.", "It goes with the migration: wait, or cancel that.");
        }

        await RemoveLockedAsync(end).ConfigureAwait(false);
    }

    /// <summary>Gives a migration hold of an end.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where there is none that is ready for it.</exception>
    public async Task<LocalPathUse> TakeAsync(Guid pathId, MobilityPathRole role, Guid migrationId, CancellationToken cancellationToken)
    {
        LocalPathEnd end = Find(pathId);
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(cancellationToken).ConfigureAwait(false);
        if (end.Snapshot is not { State: MobilityPathState.Ready } || end.Request.Role != role)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidState,
                $"This host's end of path {pathId} is the {end.Request.Role}'s and {end.Snapshot?.State.ToString() ?? "removed"};"
                + $" migration {migrationId} needs the {role}'s, ready.",
                "Make a path for the migration.");
        }

        end.Change(ready => ready with { State = MobilityPathState.InUse, MigrationId = migrationId });
        return new(this, end);
    }

    /// <summary>See <see cref="LocalPathUse.ReturnAsync"/>.</summary>
    public async Task ReturnAsync(LocalPathEnd end)
    {
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        end.LastSignAt = clock.GetTimestamp();
        end.Change(used => used with { State = MobilityPathState.Ready, MigrationId = null });
    }

    /// <summary>See <see cref="LocalPathUse.EndAsync"/>.</summary>
    public async Task EndAsync(LocalPathEnd end, bool mayBeAsked)
    {
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        if (mayBeAsked && !closed)
        {
            end.LastSignAt = clock.GetTimestamp();
            end.IsLeaving = true;
        }
        else
        {
            await TryRemoveLockedAsync(end).ConfigureAwait(false);
        }
    }

    /// <summary>Removes an end that is neither in use nor gone; a failure is logged and stays with the end.</summary>
    /// <param name="end">The end.</param>
    /// <param name="why">For the log.</param>
    /// <param name="isDue">
    /// Looks once more whether it is to go, with nobody else changing it: a migration may have taken it and given it back meanwhile.
    /// </param>
    public async Task RemoveUnusedAsync(LocalPathEnd end, string why, Func<LocalPathEnd, bool> isDue)
    {
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        if (end.Snapshot is null || (end.Snapshot.State == MobilityPathState.InUse && !end.IsLeaving) || !isDue(end)) return;
        log.Information("Removing path {PathId}: {Why}", end.Request.PathId, why);
        await TryRemoveLockedAsync(end).ConfigureAwait(false);
    }

    /// <summary>Removes every end; the host's migrations have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        closed = true;
        await upkeep.DisposeAsync().ConfigureAwait(false);
        foreach (LocalPathEnd end in ends.Values) await TryRemoveAsync(end).ConfigureAwait(false);
        gateway.Dispose();
    }

    private async Task<bool> TryRemoveAsync(LocalPathEnd end)
    {
        using AsyncLock.Holder holder = await end.Changes.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        return await TryRemoveLockedAsync(end).ConfigureAwait(false);
    }

    private async Task<bool> TryRemoveLockedAsync(LocalPathEnd end)
    {
        try
        {
            await RemoveLockedAsync(end).ConfigureAwait(false);
            return true;
        }
        catch (MigrationException error)
        {
            log.Error(error, "Path {PathId} could not be removed whole; it is tried again", end.Request.PathId);
            return false;
        }
    }

    private async Task RemoveLockedAsync(LocalPathEnd end)
    {
        MobilityPathRequest request = end.Request;
        try
        {
            if (end.Listener is not null) await end.Listener.DisposeAsync().ConfigureAwait(false);
            end.Listener = null;
            if (end.Prepared is { } prepared)
            {
                if (end.Snapshot?.State == MobilityPathState.InUse) await prepared.DrainAsync(CancellationToken.None).ConfigureAwait(false);
                await prepared.RemoveAsync(CancellationToken.None).ConfigureAwait(false);
            }
            else await ProviderOf(request).RemoveLeftoverAsync(request, CancellationToken.None).ConfigureAwait(false);
            journal.DeletePathEnd(request.PathId);
            end.Snapshot = null;
            ends.TryRemove(new(request.PathId, end));
        }
        catch (MigrationException error)
        {
            end.Change(left => left with { State = MobilityPathState.Failed, MigrationId = null, Failure = error.Message });
            journal.SavePathEnd(new(request, end.MadeAt, end.ForwardingEnabled, error.Message));
            throw;
        }
    }

    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where the port is taken: others may not be.</exception>
    private MigrationListener Open(IPEndPoint endpoint, ISocketPlace network)
    {
        try
        {
            return (Listen ?? throw VmRegistry.HostClosed())(endpoint, network);
        }
        catch (MigrationException error) when (error.InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
        {
            throw new MigrationException(MigrationErrorReason.InvalidState, error.Message, error.RecommendedAction, error);
        }
    }

    private LocalPathEnd Find(Guid pathId)
    {
        registry.RequireOpen();
        return ends.TryGetValue(pathId, out LocalPathEnd? end) ? end : throw new MigrationException(
            MigrationErrorReason.InvalidState, $"This host has no end of path {pathId}.", "Make the path first.");
    }

    private IMobilityPathProvider ProviderOf(MobilityPathRequest request) =>
        providers.First(provider => provider.Makes(request.Kind, request.Role));
}
