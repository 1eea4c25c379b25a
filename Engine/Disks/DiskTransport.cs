using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>Moves the images of this machine over the data plane.</summary>
/// <param name="log">The host's log.</param>
internal sealed class DiskTransport(ILogger log) : IDiskTransport
{
    /// <inheritdoc/>
    public Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken) =>
        DiskImage.DescribeAsync(hostName, path, cancellationToken);

    /// <inheritdoc/>
    public Task<IOutgoingDisk> OpenAsync(
        DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network,
        CancellationToken cancellationToken)
    {
        RequireWholeFile(request.Options);
        IDiskContents contents = FileDiskContents.Open(source.Path);
        return Task.FromResult<IOutgoingDisk>(new OutgoingDisk(contents, source, request, feed, network, log));
    }

    /// <inheritdoc/>
    public IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store)
    {
        RequireWholeFile(request.Options);
        long sizeBytes = request.Source.Generation.SizeBytes;
        return new DiskReceiver(
            place, sizeBytes, request.Source.Generation, _ => Task.FromResult<IWritableDisk>(IncompleteDiskFile.Open(place.FilePath, sizeBytes)),
            store, log);
    }

    private static void RequireWholeFile(DiskTransferOptions options)
    {
        if (options.DestinationFormat is null) return;
        throw new MigrationException(
            MigrationErrorReason.PrerequisiteMissing, "This build copies image files as they are only.", "Leave DestinationFormat out.");
    }
}
