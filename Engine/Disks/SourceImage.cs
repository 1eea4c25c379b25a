namespace VmMigration.Engine.Disks;

/// <summary>An image of this machine, opened to be copied.</summary>
/// <param name="Contents">What is copied.</param>
/// <param name="ReadGeneration">Looks which contents it has now, those of the images below included.</param>
internal sealed record SourceImage(IDiskContents Contents, Func<DiskGeneration> ReadGeneration)
{
    /// <summary>Opens it: as the file it is, or what is inside where a format is asked for.</summary>
    /// <param name="source">The image, as it was described.</param>
    /// <param name="options">How it is copied.</param>
    /// <param name="channels">How many threads read at once.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MigrationException">Where it cannot be opened, with the reason.</exception>
    public static async Task<SourceImage> OpenAsync(
        DiskDescription source, DiskTransferOptions options, int channels, CancellationToken cancellationToken)
    {
        bool isInside = options.DestinationFormat is not null;
        IReadOnlyList<string> below = source.BackingPath is null ? [] : await FollowAsync(source, isInside, cancellationToken).ConfigureAwait(false);

        // What is inside a raw image is its file.
        IDiskContents contents = !isInside || source.Format == DiskFormat.Raw
            ? FileDiskContents.Open(source.Path)
            : await ImageContents.OpenAsync(
                source.Path, source.Format, source.VirtualSizeBytes, isReadOnly: true, channels, cancellationToken).ConfigureAwait(false);
        return new(contents, () => ImageChain.ReadGeneration(DiskImage.ReadGeneration(source.Path), below));
    }

    private static async Task<IReadOnlyList<string>> FollowAsync(DiskDescription source, bool isInside, CancellationToken cancellationToken)
    {
        QemuImageInfo info = await QemuImage.InspectAsync(source.Path, source.Format, cancellationToken).ConfigureAwait(false);
        return isInside
            ? await ImageChain.FollowAsync(source.Path, info, cancellationToken).ConfigureAwait(false)
            : await ImageChain.TryFollowAsync(source.Path, info, cancellationToken).ConfigureAwait(false) ?? [];
    }
}
