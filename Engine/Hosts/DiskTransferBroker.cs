using VmMigration.Engine.Disks;
using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// Sets up the copy of a disk between two hosts. It talks to both; they talk to each other only over the data plane, and the source drives
/// the transfer once it has begun.
/// </summary>
public static class DiskTransferBroker
{
    /// <summary>Describes the disk, prepares the destination and starts the transfer at the source.</summary>
    /// <param name="source">The host that has the disk.</param>
    /// <param name="sourcePath">The image: absolute, or relative to the source's datastore.</param>
    /// <param name="destination">The host it is copied to; may be the same with another path.</param>
    /// <param name="destinationPath">
    /// Where it is to lie: absolute, or relative to the destination's datastore; null takes the source's file name there.
    /// </param>
    /// <param name="options">How it is copied. With <see cref="DiskTransferOptions.UseFragment"/> it goes on from what an earlier transfer left.</param>
    /// <param name="path">The mobility path it takes. It goes with the transfer, whatever the outcome, also where it was there before.</param>
    /// <param name="cancellationToken">Cancels the call; nothing has begun then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskNotFound"/>, <see cref="MigrationErrorReason.DiskInUse"/> where a process is writing the image,
    /// <see cref="MigrationErrorReason.LinkRefused"/> where the source demands more protection than the destination offers,
    /// <see cref="MigrationErrorReason.PreflightFailed"/> for a path that cannot be made, and what
    /// <see cref="IHostDisks.PrepareIncomingDiskAsync"/> refuses.
    /// </exception>
    public static async Task<DiskTransferStatus> StartAsync(
        IMigrationHost source, string sourcePath, IMigrationHost destination, string? destinationPath, DiskTransferOptions options,
        MobilityPathChoice path, CancellationToken cancellationToken)
    {
        options.Validate();
        DiskDescription disk = await source.Disks.DescribeDiskAsync(sourcePath, cancellationToken).ConfigureAwait(false);
        DiskRefusals.RequireUnwritten(disk);
        await RequirePathAsync(source, destination, path, cancellationToken).ConfigureAwait(false);
        ChosenPath chosen = await ChosenPath.TakeAsync(path, source, destination, cancellationToken).ConfigureAwait(false);
        var request = new IncomingDiskRequest(Guid.NewGuid(), disk, destinationPath, options) { PathId = chosen.PathId };
        try
        {
            return await StartAsync(source, destination, request, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            await chosen.RollBackAsync(failure).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts a new transfer of the disk that a fragment was left of; it goes on from the fragment where that still pays.</summary>
    /// <param name="source">The host the disk was copied from.</param>
    /// <param name="destination">The host that has the fragment.</param>
    /// <param name="fragmentId">The fragment.</param>
    /// <param name="options">
    /// How it is copied; <see cref="DiskTransferOptions.DestinationFormat"/> and <see cref="DiskTransferOptions.UseFragment"/> are the fragment's.
    /// </param>
    /// <param name="path">The mobility path it takes.</param>
    /// <param name="cancellationToken">Cancels the call; nothing has begun then.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskFragmentNotFound"/>; <see cref="MigrationErrorReason.InvalidArgument"/> where
    /// <paramref name="source"/> is not the fragment's source host; and as <see cref="StartAsync(IMigrationHost, string, IMigrationHost, string, DiskTransferOptions, MobilityPathChoice, CancellationToken)"/>.
    /// </exception>
    public static async Task<DiskTransferStatus> ResumeAsync(
        IMigrationHost source, IMigrationHost destination, Guid fragmentId, DiskTransferOptions options, MobilityPathChoice path,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskFragment> fragments = await destination.Disks.ListDiskFragmentsAsync(cancellationToken).ConfigureAwait(false);
        DiskFragment fragment = fragments.FirstOrDefault(one => one.Id == fragmentId) ?? throw DiskRefusals.FragmentNotFound(fragmentId, destination.Name);
        if (!string.Equals(fragment.Source.HostName, source.Name, StringComparison.OrdinalIgnoreCase))
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument,
                $"Fragment {fragmentId} is of a disk of host '{fragment.Source.HostName}', not of '{source.Name}'.",
                $"Name host '{fragment.Source.HostName}' as the source.");
        }

        return await StartAsync(
            source, fragment.Source.Path, destination, fragment.DestinationPath,
            options with { DestinationFormat = fragment.DestinationFormat, UseFragment = true }, path, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<DiskTransferStatus> StartAsync(
        IMigrationHost source, IMigrationHost destination, IncomingDiskRequest request, CancellationToken cancellationToken)
    {
        IncomingDiskOffer offer = await destination.Disks.PrepareIncomingDiskAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            return await source.Disks.StartDiskTransferAsync(
                new(request.Source.Path, offer, request.Options), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await WithdrawAsync(destination, request.TransferId).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task RequirePathAsync(
        IMigrationHost source, IMigrationHost destination, MobilityPathChoice path, CancellationToken cancellationToken)
    {
        List<PreflightFinding> findings = [];
        await LinkPreflight.CheckAsync(source, destination, path, findings, cancellationToken).ConfigureAwait(false);
        if (findings.FirstOrDefault(finding => finding.Severity == PreflightSeverity.Error) is { } link)
        {
            throw new MigrationException(MigrationErrorReason.LinkRefused, link.Message, link.RecommendedAction);
        }

        IReadOnlyList<PreflightFinding> obstacles = await ChosenPath.CheckAsync(path, source, destination, cancellationToken).ConfigureAwait(false);
        if (obstacles.FirstOrDefault(finding => finding.Severity == PreflightSeverity.Error) is { } obstacle)
        {
            throw new MigrationException(MigrationErrorReason.PreflightFailed, obstacle.Message, obstacle.RecommendedAction);
        }
    }

    private static async Task WithdrawAsync(IMigrationHost destination, Guid transferId)
    {
        try
        {
            await destination.Disks.WithdrawIncomingDiskAsync(transferId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MigrationException)
        {
            // The offer expires by itself; withdrawing it would only have freed its place now. What the caller needs to hear is why the
            // source did not start.
        }
    }
}
