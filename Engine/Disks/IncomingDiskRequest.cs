namespace VmMigration.Engine.Disks;

/// <summary>Asks a host to get ready for a disk that is to arrive. Serializable.</summary>
/// <param name="TransferId">Id of the transfer on both hosts.</param>
/// <param name="Source">The disk at its source.</param>
/// <param name="DestinationPath">
/// Where it is to lie: an absolute path, or one relative to the host's datastore; null takes the source's file name there.
/// </param>
/// <param name="Options">How it is to be copied.</param>
public sealed record IncomingDiskRequest(Guid TransferId, DiskDescription Source, string? DestinationPath, DiskTransferOptions Options)
{
    /// <summary>The mobility path the disk arrives over, prepared on this host before; null for the ordinary network.</summary>
    public Guid? PathId { get; init; }
}
