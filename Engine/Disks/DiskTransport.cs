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
    public async Task<IOutgoingDisk> OpenAsync(
        DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network,
        CancellationToken cancellationToken)
    {
        SourceImage image = await SourceImage.OpenAsync(
            source, request.Options, ChannelsOf(request.Options), cancellationToken).ConfigureAwait(false);
        return new OutgoingDisk(image, source, request, feed, network, log);
    }

    /// <inheritdoc/>
    public IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store)
    {
        DiskFormat? format = request.Options.DestinationFormat;
        long sizeBytes = format is null ? request.Source.Generation.SizeBytes : request.Source.VirtualSizeBytes;
        return new DiskReceiver(
            place, sizeBytes, request.Source.Generation,
            cancellationToken => IncompleteImage.OpenAsync(
                place.FilePath, format, sizeBytes, ChannelsOf(request.Options), log, cancellationToken),
            store, log);
    }

    private static int ChannelsOf(DiskTransferOptions options) => options.Channels == 0 ? DiskSender.DefaultChannels : options.Channels;
}
