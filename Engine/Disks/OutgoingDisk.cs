using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>An open image of this machine with the sender that copies it.</summary>
internal sealed class OutgoingDisk : IOutgoingDisk
{
    private readonly IDiskContents contents;
    private readonly DiskSender sender;

    /// <param name="image">What is copied; taken over.</param>
    /// <param name="source">The image.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="feed">Is told of its progress.</param>
    /// <param name="network">Where its connections start; null for the ordinary network.</param>
    /// <param name="log">The host's log.</param>
    public OutgoingDisk(
        SourceImage image, DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network, ILogger log)
    {
        contents = image.Contents;
        sender = new(
            request, contents, source.Generation, image.ReadGeneration, new(request.Offer.Offer, network), feed, log);
    }

    /// <inheritdoc/>
    public Task RunAsync(CancellationToken cancel) => sender.RunAsync(cancel);

    /// <inheritdoc/>
    public Task SuspendAsync(CancellationToken cancellationToken) => sender.SuspendAsync(cancellationToken);

    /// <inheritdoc/>
    public void Resume() => sender.Resume();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        sender.Dispose();
        return contents.DisposeAsync();
    }
}
