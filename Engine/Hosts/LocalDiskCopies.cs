using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Hosts;

/// <summary>Copies the images of a migration with disks by the host's own disk transfers, over the migration's way.</summary>
/// <param name="disks">The host's disks.</param>
/// <param name="path">The migration's hold on its mobility path; null for the ordinary network.</param>
internal sealed class LocalDiskCopies(LocalHostDisks disks, LocalPathUse? path) : IDiskCopies
{
    public Task<DiskDescription> DescribeAsync(string imagePath, CancellationToken cancellationToken) =>
        disks.DescribeDiskAsync(imagePath, cancellationToken);

    public Task<DiskTransferStatus> RunAsync(
        DiskTransferRequest request, Action<DiskTransferStatus> report, CancellationToken cancellationToken) =>
        disks.SendWithinAsync(request, path, report, cancellationToken);
}
