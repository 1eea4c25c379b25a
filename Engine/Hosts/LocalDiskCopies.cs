using VmMigration.Engine.Disks;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>Copies the images of a migration with disks by the host's own disk transfers, over the migration's way.</summary>
/// <param name="disks">The host's disks.</param>
/// <param name="network">Where the connections start; null for the ordinary network.</param>
internal sealed class LocalDiskCopies(LocalHostDisks disks, ISocketPlace? network) : IDiskCopies
{
    public Task<DiskDescription> DescribeAsync(string path, CancellationToken cancellationToken) =>
        disks.DescribeDiskAsync(path, cancellationToken);

    public async Task<DiskTransferStatus> RunAsync(
        DiskTransferRequest request, Action<DiskTransferStatus> report, CancellationToken cancellationToken)
    {
        DiskTransferStatus last = await disks.StartDiskTransferAsync(request, network, cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (DiskTransferStatus status in disks.WatchDiskTransferAsync(last.Id, cancellationToken).ConfigureAwait(false))
            {
                last = status;
                report(status);
            }

            return last;
        }
        catch (OperationCanceledException)
        {
            // What has arrived is kept, for the next try; only then may the other side hear that this one is over.
            await disks.CancelDiskTransferAsync(last.Id, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }
}
