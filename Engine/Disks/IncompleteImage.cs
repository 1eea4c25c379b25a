using Serilog;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>The disk that is being filled at a destination.</summary>
internal static class IncompleteImage
{
    /// <summary>Opens it, or makes it, readable by its owner only.</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="format">Its format where it is written inside; null where it is a copy of a file.</param>
    /// <param name="sizeBytes">Length of what is copied.</param>
    /// <param name="channels">How many threads write at once.</param>
    /// <param name="log">The host's log.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MigrationException">Where it can be neither opened nor made.</exception>
    public static async Task<IWritableDisk> OpenAsync(
        string path, DiskFormat? format, long sizeBytes, int channels, ILogger log, CancellationToken cancellationToken)
    {
        // A raw image is the file of what is inside.
        if (format is null or DiskFormat.Raw) return IncompleteDiskFile.Open(path, sizeBytes);
        if (File.Exists(path) && !await IsSoundAsync(path, format.Value, sizeBytes, log, cancellationToken).ConfigureAwait(false)) File.Delete(path);
        if (!File.Exists(path))
        {
            // qemu-img would let everybody read it.
            OpenFile.ForReadingAndWritingOrMake(path).Dispose();
            await QemuImage.MakeAsync(path, format.Value, sizeBytes, cancellationToken).ConfigureAwait(false);
        }

        // One more, so that what looks for zeros or reads again does not wait for the writers.
        return await ImageContents.OpenAsync(path, format.Value, sizeBytes, isReadOnly: false, channels + 1, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether an image that an earlier transfer left can be gone on from. One that cannot is made anew: its blocks are compared with their
    /// digests by every transfer, and those that are gone are asked for again.
    /// </summary>
    private static async Task<bool> IsSoundAsync(
        string path, DiskFormat format, long sizeBytes, ILogger log, CancellationToken cancellationToken)
    {
        try
        {
            QemuImageInfo info = await QemuImage.InspectAsync(path, format, cancellationToken).ConfigureAwait(false);
            DiskImage.RequireWhole(info, path);
            string? damage = info.BackingFileName is not null || info.VirtualSizeBytes < sizeBytes ? "it is not the image that was made"
                : await QemuImage.RepairLeaksAsync(path, format, cancellationToken).ConfigureAwait(false);
            if (damage is null) return true;
            log.Warning("The incomplete image {Path} is made anew: {Damage}", path, damage);
        }
        catch (MigrationException error) when (error.Reason == MigrationErrorReason.DiskFormatUnsupported)
        {
            log.Warning(error, "The incomplete image {Path} is made anew", path);
        }

        return false;
    }
}
