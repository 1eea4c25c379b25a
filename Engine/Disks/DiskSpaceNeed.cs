namespace VmMigration.Engine.Disks;

/// <summary>The space a disk takes at its destination, as far as its source can tell beforehand.</summary>
internal static class DiskSpaceNeed
{
    /// <summary>
    /// Bytes that arrive: what the source's file takes, holes excluded. For an overlay that is flattened it is the least, since what its
    /// backing images take is not known.
    /// </summary>
    public static long Estimate(IncomingDiskRequest request)
    {
        DiskDescription source = request.Source;
        long size = request.Options.DestinationFormat is null ? source.Generation.SizeBytes : source.VirtualSizeBytes;
        return Math.Min(source.AllocatedBytes, Math.Max(size, 0));
    }

    /// <summary>Refuses a disk that has no room.</summary>
    /// <param name="request">The disk.</param>
    /// <param name="presentBytes">What the fragment it goes on from takes already.</param>
    /// <param name="availableBytes">What may still be written to the file system.</param>
    /// <param name="destinationPath">Where it is to lie.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.OutOfSpace"/>.</exception>
    public static void Require(IncomingDiskRequest request, long presentBytes, long availableBytes, string destinationPath)
    {
        long needed = Math.Max(Estimate(request) - presentBytes, 0);
        if (needed <= availableBytes) return;
        throw new MigrationException(
            MigrationErrorReason.OutOfSpace,
            $"'{request.Source.Path}' of host '{request.Source.HostName}' takes {needed} more bytes; the file system of"
            + $" '{destinationPath}' has {availableBytes} left.",
            "Free space there, remove fragments that are not needed any more, or choose a place on another file system.");
    }
}
