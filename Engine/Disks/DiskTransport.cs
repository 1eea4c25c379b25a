using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>Moves the images of this machine over the data plane.</summary>
internal sealed class DiskTransport : IDiskTransport
{
    /// <inheritdoc/>
    public Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken) => throw Missing();

    /// <inheritdoc/>
    public IOutgoingDisk Send(DiskDescription source, DiskTransferRequest request, DiskTransferStatusFeed feed, ISocketPlace? network) =>
        throw Missing();

    /// <inheritdoc/>
    public IIncomingDisk Receive(IncomingDiskRequest request, IncompleteDiskPlace place, IIncompleteDisks store) => throw Missing();

    private static MigrationException Missing() => new(
        MigrationErrorReason.PrerequisiteMissing, "This build carries no disks.", "Use a build that does.");
}
