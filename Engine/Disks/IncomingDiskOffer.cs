using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>Where a source may bring a disk to, and what of it is there. Serializable.</summary>
/// <param name="Offer">Where and with what right the source may connect.</param>
/// <param name="DestinationPath">Absolute path of the file at its end.</param>
/// <param name="Resumption">What the transfer begins with.</param>
public sealed record IncomingDiskOffer(IncomingOffer Offer, string DestinationPath, DiskResumption Resumption);
