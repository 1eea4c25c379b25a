namespace VmMigration.Engine.Disks;

/// <summary>What whoever copies a disk should know beforehand.</summary>
internal static class DiskNotice
{
    /// <summary>The notice for a copy; null for nothing.</summary>
    public static string? Of(DiskDescription source, DiskTransferOptions options) => source.BackingPath is { } backing && options.DestinationFormat is null
        ? $"'{source.Path}' is an overlay of '{backing}', and only the overlay's file is copied: at its destination it needs that image under"
            + " the same path. DestinationFormat copies what both hold into one image."
        : null;
}
