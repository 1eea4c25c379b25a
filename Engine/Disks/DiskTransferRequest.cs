namespace VmMigration.Engine.Disks;

/// <summary>Asks a source host to copy one of its disks to the host that made the offer. Serializable.</summary>
/// <param name="SourcePath">The image, as <see cref="DiskDescription.Path"/> of <see cref="IncomingDiskRequest.Source"/>.</param>
/// <param name="Offer">What the destination answered to the <see cref="IncomingDiskRequest"/>.</param>
/// <param name="Options">Must equal those of the <see cref="IncomingDiskRequest"/>.</param>
public sealed record DiskTransferRequest(string SourcePath, IncomingDiskOffer Offer, DiskTransferOptions Options);
