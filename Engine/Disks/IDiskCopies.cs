namespace VmMigration.Engine.Disks;

/// <summary>What a migration with disks asks of its source host: to copy images over the migration's own way.</summary>
internal interface IDiskCopies
{
    /// <summary>Describes an image of this host.</summary>
    Task<DiskDescription> DescribeAsync(string imagePath, CancellationToken cancellationToken);

    /// <summary>Copies an image and returns its last status, whichever way it ended.</summary>
    /// <param name="request">What to copy, and where to.</param>
    /// <param name="report">Hears every status.</param>
    /// <param name="cancellationToken">Stops the copy, and the call once the copy has ended.</param>
    Task<DiskTransferStatus> RunAsync(
        DiskTransferRequest request, Action<DiskTransferStatus> report, CancellationToken cancellationToken);
}
