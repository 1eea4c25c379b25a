using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>What a host moves disks with: images of this machine, and conversations about them with other hosts.</summary>
internal interface IDiskTransport
{
    /// <summary>Describes an image of this machine.</summary>
    /// <param name="hostName">Name of the host, for the description.</param>
    /// <param name="path">Its absolute path.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException">As <see cref="IHostDisks.DescribeDiskAsync"/>.</exception>
    Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken);

    /// <summary>Opens the source's side of a transfer; it begins with <see cref="IOutgoingDisk.RunAsync"/>.</summary>
    /// <param name="source">The image, as it was described just now.</param>
    /// <param name="request">Where it goes, and how.</param>
    /// <param name="feed">Is told of its progress.</param>
    /// <param name="network">Where its connections start; null for the ordinary network.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException">Where the image cannot be opened.</exception>
    Task<IOutgoingDisk> OpenAsync(
        DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network,
        CancellationToken cancellationToken);

    /// <summary>The destination's side of a transfer; it begins with <see cref="IIncomingDisk.RunAsync"/>.</summary>
    /// <param name="request">What is to arrive.</param>
    /// <param name="place">Where it is to lie meanwhile.</param>
    /// <param name="store">Keeps it where it does not arrive whole, and gives it its name where it does.</param>
    IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store);
}
