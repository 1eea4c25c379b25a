using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>The disks of a host. Transfers under way are kept here; of those that ended the journal has the last status.</summary>
internal sealed class LocalHostDisks : IHostDisks, IAsyncDisposable
{
    private readonly LocalHostParts parts;

    public LocalHostDisks(LocalHostParts parts)
    {
        this.parts = parts;
        Datastore = new(Path.GetFullPath(parts.Options.DatastoreDirectory ?? Path.Combine(parts.Directory.Path, "disks")));
    }

    /// <summary>Lets disks in that arrive over the ordinary network; set by whoever listens.</summary>
    public MigrationListener? Entrance { get; set; }

    /// <summary>Where the host's disks lie.</summary>
    public DiskDatastore Datastore { get; }

    /// <summary>Puts what a killed engine left into order; comes before anything else.</summary>
    public Task RecoverAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Datastore.Open();
        return Task.CompletedTask;
    }

    public Task<DiskDescription> DescribeDiskAsync(string path, CancellationToken cancellationToken) => throw Unavailable();

    public Task<IncomingDiskOffer> PrepareIncomingDiskAsync(IncomingDiskRequest request, CancellationToken cancellationToken) =>
        throw Unavailable();

    /// <summary>The same for an image of a VM that moves with its disks: it arrives where the VM does.</summary>
    /// <param name="request">What arrives.</param>
    /// <param name="entrance">Where the VM's connections come in.</param>
    /// <param name="address">Address the source reaches that at; null where it is the entrance's own.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IncomingDiskOffer> PrepareIncomingDiskAsync(
        IncomingDiskRequest request, MigrationListener entrance, string? address, CancellationToken cancellationToken) => throw Unavailable();

    public Task WithdrawIncomingDiskAsync(Guid transferId, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<DiskTransferStatus> StartDiskTransferAsync(DiskTransferRequest request, CancellationToken cancellationToken) =>
        throw Unavailable();

    /// <summary>The same for an image of a VM that moves with its disks: it takes the way the VM does.</summary>
    /// <param name="request">What is copied.</param>
    /// <param name="network">Where the connections start; null for the ordinary network.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<DiskTransferStatus> StartDiskTransferAsync(
        DiskTransferRequest request, ISocketPlace? network, CancellationToken cancellationToken) => throw Unavailable();

    public Task<IReadOnlyList<DiskTransferStatus>> ListDiskTransfersAsync(CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        return Task.FromResult<IReadOnlyList<DiskTransferStatus>>([]);
    }

    public Task<DiskTransferStatus> GetDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) => throw NotFound(transferId);

    public IAsyncEnumerable<DiskTransferStatus> WatchDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) =>
        throw NotFound(transferId);

    public Task<DiskTransferStatus> SuspendDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) => throw NotFound(transferId);

    public Task<DiskTransferStatus> ResumeDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) => throw NotFound(transferId);

    public Task<DiskTransferStatus> CancelDiskTransferAsync(Guid transferId, CancellationToken cancellationToken) => throw NotFound(transferId);

    public Task<IReadOnlyList<DiskFragment>> ListDiskFragmentsAsync(CancellationToken cancellationToken)
    {
        parts.RequireOpen();
        return Task.FromResult<IReadOnlyList<DiskFragment>>([]);
    }

    public Task RemoveDiskFragmentAsync(Guid fragmentId, CancellationToken cancellationToken) =>
        throw DiskRefusals.FragmentNotFound(fragmentId, parts.Options.Name);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private MigrationException NotFound(Guid transferId)
    {
        parts.RequireOpen();
        return DiskRefusals.TransferNotFound(transferId, parts.Options.Name);
    }

    private MigrationException Unavailable() => new(
        MigrationErrorReason.PrerequisiteMissing, $"Host '{parts.Options.Name}' was built without the transport of disks.");
}
