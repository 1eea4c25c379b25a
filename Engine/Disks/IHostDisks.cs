namespace VmMigration.Engine.Disks;

/// <summary>
/// The disks of a host: copied to other hosts' datastores by transfers that go on where an earlier one stopped. As in
/// <see cref="Hosts.IMigrationHost"/>, only serializable records cross this contract, and every call fails with
/// <see cref="MigrationException"/>, or with <see cref="OperationCanceledException"/> where the caller cancelled.
/// </summary>
public interface IHostDisks
{
    /// <summary>Describes a disk image of this host.</summary>
    /// <param name="path">Its path: absolute, or relative to the host's datastore.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskNotFound"/>; <see cref="MigrationErrorReason.DiskFormatUnsupported"/> for a format that is neither
    /// raw nor qcow2; <see cref="MigrationErrorReason.PrerequisiteMissing"/> without qemu-img.
    /// </exception>
    Task<DiskDescription> DescribeDiskAsync(string path, CancellationToken cancellationToken);

    /// <summary>
    /// As a destination: makes room for a disk, with the fragment an earlier transfer of it left, and waits a limited time for the source to
    /// connect.
    /// </summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where a file has the path already and may not be replaced, or another transfer is
    /// bringing a disk there; <see cref="MigrationErrorReason.OutOfSpace"/> where the file system has less room than the disk takes.
    /// </exception>
    Task<IncomingDiskOffer> PrepareIncomingDiskAsync(IncomingDiskRequest request, CancellationToken cancellationToken);

    /// <summary>As a destination: withdraws an offer no source has taken up. A fragment stays a fragment.</summary>
    Task WithdrawIncomingDiskAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>As a source: starts a transfer and returns at once; it goes on whatever becomes of the caller.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskInUse"/> where a process is writing the image.</exception>
    Task<DiskTransferStatus> StartDiskTransferAsync(DiskTransferRequest request, CancellationToken cancellationToken);

    /// <summary>Lists the transfers this host is or was the source of.</summary>
    Task<IReadOnlyList<DiskTransferStatus>> ListDiskTransfersAsync(CancellationToken cancellationToken);

    /// <summary>Reports where a transfer stands.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskTransferNotFound"/>.</exception>
    Task<DiskTransferStatus> GetDiskTransferAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>
    /// Follows a transfer: the present status at once, then one at every change of state and a few a second in between; ends after the
    /// status that has ended.
    /// </summary>
    IAsyncEnumerable<DiskTransferStatus> WatchDiskTransferAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>As a source: sends nothing more until the transfer is resumed. What has arrived by then is made durable.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    Task<DiskTransferStatus> SuspendDiskTransferAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>As a source: goes on with a suspended transfer; does nothing where it is not suspended.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where it has ended: a new transfer of the same disk goes on from its fragment.
    /// </exception>
    Task<DiskTransferStatus> ResumeDiskTransferAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>As a source: stops a transfer and waits until it has ended, whichever way. What has arrived stays as a fragment.</summary>
    Task<DiskTransferStatus> CancelDiskTransferAsync(Guid transferId, CancellationToken cancellationToken);

    /// <summary>As a destination: the fragments that are kept.</summary>
    Task<IReadOnlyList<DiskFragment>> ListDiskFragmentsAsync(CancellationToken cancellationToken);

    /// <summary>As a destination: removes a fragment, file and record.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskFragmentNotFound"/>; <see cref="MigrationErrorReason.InvalidState"/> while a transfer goes on from it.
    /// </exception>
    Task RemoveDiskFragmentAsync(Guid fragmentId, CancellationToken cancellationToken);
}
