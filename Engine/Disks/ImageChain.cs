namespace VmMigration.Engine.Disks;

/// <summary>
/// The images below an overlay. Each has to be a file of this machine in a format that the one above names: where QEMU had to guess, what a
/// guest wrote to a raw image could lead it to any file of the host.
/// </summary>
internal static class ImageChain
{
    private const int MaxImages = 64;

    /// <summary>The paths of the images below, the nearest first.</summary>
    /// <param name="path">The overlay.</param>
    /// <param name="info">What it says of itself.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskFormatUnsupported"/>, naming the image.</exception>
    public static async Task<IReadOnlyList<string>> FollowAsync(string path, QemuImageInfo info, CancellationToken cancellationToken)
    {
        List<string> below = [];
        string above = path;
        while (info.BackingFileName is { } named)
        {
            string next = info.FullBackingFileName ?? named;
            if (!Path.IsPathFullyQualified(next)) throw Broken(above, $"it is an overlay of '{next}', which is no file of this machine");
            if (QemuImage.FormatOf(info.BackingFormat) is not { } format)
            {
                throw Broken(above, info.BackingFormat is { } other
                    ? $"it is an overlay of an image in the format {other}; raw and qcow2 are handled"
                    : "it does not say which format the image below it has", "Say it with 'qemu-img rebase -u -F'.");
            }

            if (!File.Exists(next)) throw Broken(above, $"the image below it, '{next}', is missing");
            below.Add(next);
            if (below.Count > MaxImages) throw Broken(path, $"more than {MaxImages} images are below it");
            if (format == DiskFormat.Raw) break;
            info = await QemuImage.InspectAsync(next, format, cancellationToken).ConfigureAwait(false);
            DiskImage.RequireWhole(info, next);
            above = next;
        }

        return below;
    }

    /// <summary>The same; null where what is below cannot be read, which a copy of the overlay's file does not need.</summary>
    public static async Task<IReadOnlyList<string>?> TryFollowAsync(string path, QemuImageInfo info, CancellationToken cancellationToken)
    {
        try
        {
            return await FollowAsync(path, info, cancellationToken).ConfigureAwait(false);
        }
        catch (MigrationException error) when (error.Reason == MigrationErrorReason.DiskFormatUnsupported)
        {
            return null;
        }
    }

    /// <summary>The overlay's generation, with the time of the last write to any image of the chain.</summary>
    public static DiskGeneration ReadGeneration(DiskGeneration top, IReadOnlyList<string> below)
    {
        foreach (string path in below)
        {
            top = top with { ModifiedNanoseconds = Math.Max(top.ModifiedNanoseconds, DiskImage.ReadGeneration(path).ModifiedNanoseconds) };
        }

        return top;
    }

    private static MigrationException Broken(string path, string why, string? action = null) => new(
        MigrationErrorReason.DiskFormatUnsupported, $"'{path}' cannot be read as a whole: {why}.",
        action ?? "Mend the chain of images ('qemu-img info --backing-chain'), or copy the files as they are.");
}
