using System.Runtime.CompilerServices;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The disks of a host: what arrives, what leaves, and what is left of those that did not arrive whole.</summary>
internal sealed class LocalHostDisks : IHostDisks, IAsyncDisposable
{
    /// <summary>Name of the datastore below the state directory, where no other is named.</summary>
    public const string DirectoryName = "disks";

    private readonly LocalHostParts parts;
    private readonly IDiskTransport transport;
    private readonly FragmentStore store;
    private readonly IncomingDiskTransfers incoming;
    private readonly OutgoingDiskTransfers outgoing;
    private readonly FragmentUpkeep upkeep;

    /// <param name="parts">What the host is put together from.</param>
    /// <param name="transport">What it moves disks with.</param>
    /// <param name="clock">Tells the age of fragments.</param>
    public LocalHostDisks(LocalHostParts parts, IDiskTransport transport, TimeProvider clock)
    {
        this.parts = parts;
        this.transport = transport;
        LocalHostOptions options = parts.Options;
        Datastore = new(Path.GetFullPath(options.DatastoreDirectory ?? Path.Combine(parts.Directory.Path, DirectoryName)));
        store = new(
            options.Name, Datastore, parts.Journal.Disks, new FragmentFiles(), new(options.FragmentAgeLimit, options.FragmentBytesLimit), clock,
            parts.Logger);
        incoming = new(parts, store, transport);
        outgoing = new(parts, transport);
        upkeep = new(store, clock, parts.Logger);
    }

    /// <summary>Where the host's disks lie.</summary>
    public DiskDatastore Datastore { get; }

    /// <summary>Lets disks in that arrive over the ordinary network; set by whoever listens.</summary>
    public MigrationListener? Entrance
    {
        get => incoming.Entrance;
        set => incoming.Entrance = value;
    }

    /// <summary>Puts what a killed engine left into order; comes before anything arrives or leaves.</summary>
    public async Task RecoverAsync(CancellationToken cancellationToken)
    {
        Datastore.Open();
        await store.RecoverAsync(cancellationToken).ConfigureAwait(false);
        outgoing.Recover();
        upkeep.Start();
    }

    /// <inheritdoc/>
    public Task<DiskDescription> DescribeDiskAsync(string path, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        return transport.DescribeAsync(parts.Options.Name, Datastore.Resolve(path), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IncomingDiskOffer> PrepareIncomingDiskAsync(IncomingDiskRequest request, CancellationToken cancellationToken) =>
        incoming.PrepareAsync(request, cancellationToken);

    /// <inheritdoc/>
    public Task WithdrawIncomingDiskAsync(Guid transferId, CancellationToken cancellationToken) =>
        incoming.WithdrawAsync(transferId, cancellationToken);

    /// <inheritdoc/>
    public Task<DiskTransferStatus> StartDiskTransferAsync(DiskTransferRequest request, CancellationToken cancellationToken) =>
        outgoing.StartAsync(request, Datastore.Resolve(request.SourcePath), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DiskTransferStatus>> ListDiskTransfersAsync(CancellationToken cancellationToken) =>
        Task.FromResult(outgoing.List());

    /// <inheritdoc/>
    public Task<DiskTransferStatus> GetDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        Task.FromResult(outgoing.Get(transferId));

    /// <inheritdoc/>
    public async IAsyncEnumerable<DiskTransferStatus> WatchDiskTransferAsync(
        Guid transferId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (outgoing.FindFeed(transferId) is not { } feed)
        {
            yield return outgoing.Get(transferId);
            yield break;
        }

        await foreach (DiskTransferStatus status in feed.WatchAsync(cancellationToken).ConfigureAwait(false)) yield return status;
    }

    /// <inheritdoc/>
    public Task<DiskTransferStatus> SuspendDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        outgoing.SuspendAsync(transferId, cancellationToken);

    /// <inheritdoc/>
    public Task<DiskTransferStatus> ResumeDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        Task.FromResult(outgoing.Resume(transferId));

    /// <inheritdoc/>
    public Task<DiskTransferStatus> CancelDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        outgoing.CancelAsync(transferId, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DiskFragment>> ListDiskFragmentsAsync(CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        return store.ListAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task RemoveDiskFragmentAsync(Guid fragmentId, CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        return store.RemoveAsync(fragmentId, cancellationToken);
    }

    /// <summary>Makes room for a disk that arrives over the way of a migration, which stays the migration's.</summary>
    /// <param name="request">The disk; its <see cref="IncomingDiskRequest.PathId"/> is the migration's.</param>
    /// <param name="path">The migration's hold on its mobility path; null for the ordinary network.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IncomingDiskOffer> PrepareWithinAsync(IncomingDiskRequest request, LocalPathUse? path, CancellationToken cancellationToken) =>
        incoming.PrepareWithinAsync(request, path, cancellationToken);

    /// <summary>Sends a disk over the way of a migration, which stays the migration's, and follows it to its end.</summary>
    /// <param name="request">The disk.</param>
    /// <param name="path">The migration's hold on its mobility path; null for the ordinary network.</param>
    /// <param name="report">Hears every status.</param>
    /// <param name="cancellationToken">Stops the transfer, and the call once the transfer has ended.</param>
    /// <returns>The last status, whichever way it ended.</returns>
    public async Task<DiskTransferStatus> SendWithinAsync(
        DiskTransferRequest request, LocalPathUse? path, Action<DiskTransferStatus> report, CancellationToken cancellationToken)
    {
        DiskTransferStatus status = await outgoing
            .StartWithinAsync(request, Datastore.Resolve(request.SourcePath), path, cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (DiskTransferStatus one in WatchDiskTransferAsync(status.Id, cancellationToken).ConfigureAwait(false)) report(one);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await outgoing.CancelAsync(status.Id, CancellationToken.None).ConfigureAwait(false);
        }

        return outgoing.Get(status.Id);
    }

    /// <summary>
    /// Ends the transfers. What has arrived stays as fragments, unless the host's directory, and so the records, goes with it.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await upkeep.DisposeAsync().ConfigureAwait(false);
        await outgoing.DisposeAsync().ConfigureAwait(false);
        await incoming.DisposeAsync().ConfigureAwait(false);
        if (parts.Directory.IsTemporary) await store.ClearAsync().ConfigureAwait(false);
    }
}
