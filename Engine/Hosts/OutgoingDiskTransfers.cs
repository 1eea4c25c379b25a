using System.Collections.Concurrent;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// The disks that a host sends. Each is in the journal from its start, so that an engine that is killed finds, when its host is opened again,
/// what it was sending.
/// </summary>
internal sealed class OutgoingDiskTransfers(LocalHostParts parts, IDiskTransport transport) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, RunningMigration<OutgoingDiskTransfer>> outgoing = new();
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private bool closed;

    /// <summary>Says of each transfer that a killed engine was sending that it ended.</summary>
    public void Recover()
    {
        foreach (DiskTransferStatus status in parts.Journal.Disks.ReadTransfers().Where(status => !status.HasEnded))
        {
            parts.Journal.Disks.SaveTransfer(status with
            {
                State = DiskTransferState.Failed,
                EndedAt = DateTimeOffset.UtcNow,
                BytesPerSecond = 0,
                ErrorReason = MigrationErrorReason.ConnectionLost,
                ErrorMessage = $"Host '{parts.Options.Name}' ended while it sent '{status.SourcePath}'.",
                RecommendedAction =
                    $"Start the transfer again: it goes on from the fragment that host '{status.DestinationHostName}' keeps of it.",
            });
            parts.Logger.Warning("Disk transfer {TransferId} of '{Path}' was under way when the engine ended", status.Id, status.SourcePath);
        }
    }

    /// <inheritdoc cref="IHostDisks.StartDiskTransferAsync"/>
    public async Task<DiskTransferStatus> StartAsync(DiskTransferRequest request, string sourcePath, CancellationToken cancellationToken)
    {
        DiskDescription source = await CheckAsync(request, sourcePath, cancellationToken).ConfigureAwait(false);
        Guid id = request.Offer.Offer.MigrationId;
        if (request.Offer.Offer.PathId is not { } pathId)
        {
            return await StartAsync(source, request, null, null, cancellationToken).ConfigureAwait(false);
        }

        LocalPathUse path = await parts.Paths.TakeAsync(pathId, MobilityPathRole.Source, id, cancellationToken).ConfigureAwait(false);
        try
        {
            return await StartAsync(source, request, path, () => path.EndAsync(mayBeAsked: false), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await path.ReturnAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts a transfer over the way of a migration, which stays the migration's.</summary>
    public async Task<DiskTransferStatus> StartWithinAsync(
        DiskTransferRequest request, string sourcePath, LocalPathUse? path, CancellationToken cancellationToken)
    {
        DiskDescription source = await CheckAsync(request, sourcePath, cancellationToken).ConfigureAwait(false);
        return await StartAsync(source, request, path, null, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="IHostDisks.ListDiskTransfersAsync"/>
    public IReadOnlyList<DiskTransferStatus> List()
    {
        parts.RequireOpen();
        DiskTransferStatus[] underWay = [.. outgoing.Values.Select(running => running.Migration.Feed.Current)];
        return
        [
            .. underWay.Concat(parts.Journal.Disks.ReadTransfers()).DistinctBy(status => status.Id).OrderBy(status => status.StartedAt),
        ];
    }

    /// <summary>Where a transfer stands: one under way or, from the journal, one that ended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskTransferNotFound"/>.</exception>
    public DiskTransferStatus Get(Guid transferId) => FindRunning(transferId)?.Migration.Feed.Current ?? FindEnded(transferId);

    /// <summary>The feed of a transfer under way; null where it has ended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskTransferNotFound"/>.</exception>
    public DiskTransferStatusFeed? FindFeed(Guid transferId)
    {
        if (FindRunning(transferId) is { } running) return running.Migration.Feed;
        FindEnded(transferId);
        return null;
    }

    /// <inheritdoc cref="IHostDisks.SuspendDiskTransferAsync"/>
    public async Task<DiskTransferStatus> SuspendAsync(Guid transferId, CancellationToken cancellationToken)
    {
        OutgoingDiskTransfer transfer = RequireRunning(transferId, "be suspended");
        await transfer.Disk.SuspendAsync(cancellationToken).ConfigureAwait(false);
        return transfer.Feed.Current;
    }

    /// <inheritdoc cref="IHostDisks.ResumeDiskTransferAsync"/>
    public DiskTransferStatus Resume(Guid transferId)
    {
        OutgoingDiskTransfer transfer = RequireRunning(transferId, "be resumed");
        transfer.Disk.Resume();
        return transfer.Feed.Current;
    }

    /// <inheritdoc cref="IHostDisks.CancelDiskTransferAsync"/>
    public async Task<DiskTransferStatus> CancelAsync(Guid transferId, CancellationToken cancellationToken)
    {
        if (FindRunning(transferId) is not { } running) return FindEnded(transferId);
        await running.CancelAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        return running.Migration.Feed.Current;
    }

    /// <summary>Ends all.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate) closed = true;
        await closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(outgoing.Values.Select(running => running.Ended)).ConfigureAwait(false);
        closing.Dispose();
    }

    private async Task<DiskDescription> CheckAsync(DiskTransferRequest request, string sourcePath, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        request.Offer.Offer.Validate();
        request.Options.Validate();
        parts.Link.RequireEnough(request.Offer.Offer, parts.Options.Name);
        DiskDescription source = await transport.DescribeAsync(parts.Options.Name, sourcePath, cancellationToken).ConfigureAwait(false);
        DiskRefusals.RequireUnwritten(source);
        return source;
    }

    /// <param name="source">The disk.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="path">The path it takes; null for the ordinary network.</param>
    /// <param name="leavePath">What is done once it has ended with a path that is its own.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    private async Task<DiskTransferStatus> StartAsync(
        DiskDescription source, DiskTransferRequest request, LocalPathUse? path, Func<Task>? leavePath, CancellationToken cancellationToken)
    {
        IncomingOffer offer = request.Offer.Offer;
        var feed = new DiskTransferStatusFeed(new()
        {
            Id = offer.MigrationId,
            SourceHostName = parts.Options.Name,
            SourcePath = source.Path,
            DestinationHostName = offer.DestinationHostName,
            DestinationPath = request.Offer.DestinationPath,
            Options = request.Options,
            LinkSecurity = offer.Security,
            State = DiskTransferState.Setup,
            Resumption = request.Offer.Resumption,
            StartedAt = DateTimeOffset.UtcNow,
            SizeBytes = request.Options.DestinationFormat is null ? source.Generation.SizeBytes : source.VirtualSizeBytes,
            Notice = DiskNotice.Of(source, request.Options),
        });
        IOutgoingDisk disk = await transport
            .OpenAsync(source, request, feed, path?.Network ?? parts.Options.Network, cancellationToken).ConfigureAwait(false);
        try
        {
            Register(new(disk, feed), leavePath);
        }
        catch
        {
            await disk.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        return feed.Current;
    }

    /// <summary>Records a transfer and starts it, unless the host is closing: what is started here is waited for there.</summary>
    private void Register(OutgoingDiskTransfer transfer, Func<Task>? leavePath)
    {
        Guid id = transfer.Feed.Current.Id;
        lock (gate)
        {
            if (closed) throw VmRegistry.HostClosed();
            if (parts.Journal.Disks.FindTransfer(id) is not null)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidArgument, $"Host '{parts.Options.Name}' knows of a disk transfer {id} already.",
                    "Take a new offer for each transfer.");
            }

            parts.Journal.Disks.SaveTransfer(transfer.Feed.Current);
            outgoing[id] = new(transfer, token => SendAsync(transfer, leavePath, token), closing.Token);
        }
    }

    private async Task SendAsync(OutgoingDiskTransfer transfer, Func<Task>? leavePath, CancellationToken cancel)
    {
        try
        {
            await transfer.Disk.RunAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            await transfer.Disk.DisposeAsync().ConfigureAwait(false);
            if (leavePath is not null) await leavePath().ConfigureAwait(false);
        }

        DiskTransferStatus status = transfer.Feed.Current;
        try
        {
            parts.Journal.Disks.SaveTransfer(status);
        }
        catch (MigrationException error)
        {
            // Without its row the status stays in memory as long as the host is open.
            parts.Logger.Error(error, "The last status of disk transfer {TransferId} could not be kept", status.Id);
            return;
        }

        // Not before it was put there: it may have ended at once.
        lock (gate) outgoing.TryRemove(status.Id, out _);
    }

    private OutgoingDiskTransfer RequireRunning(Guid transferId, string what) => FindRunning(transferId)?.Migration ?? throw new MigrationException(
        MigrationErrorReason.InvalidState, $"Disk transfer {transferId} is {FindEnded(transferId).State}: it cannot {what} any more.",
        "Start it again: it goes on from the fragment that its destination keeps.");

    private RunningMigration<OutgoingDiskTransfer>? FindRunning(Guid transferId)
    {
        parts.RequireOpen();
        return outgoing.GetValueOrDefault(transferId);
    }

    private DiskTransferStatus FindEnded(Guid transferId) =>
        parts.Journal.Disks.FindTransfer(transferId) ?? throw DiskRefusals.TransferNotFound(transferId, parts.Options.Name);

    private sealed record OutgoingDiskTransfer(IOutgoingDisk Disk, DiskTransferStatusFeed Feed);
}
