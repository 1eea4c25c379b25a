using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Migration;

/// <summary>How the images of a VM are copied that moves with them.</summary>
internal static class DiskCopyOptions
{
    /// <summary>The options of one image's copy.</summary>
    /// <param name="options">The migration's.</param>
    /// <param name="flatten">Whether the image is an overlay, whose chain becomes one qcow2 image.</param>
    public static DiskTransferOptions For(MigrationOptions options, bool flatten) => new()
    {
        MaxBytesPerSecond = options.MaxBytesPerSecond,
        Channels = options.Channels,
        Compression = options.DiskCompression,
        DestinationFormat = flatten ? DiskFormat.Qcow2 : null,
    };
}
