namespace VmMigration.Engine.Disks;

/// <summary>The source's side of one transfer.</summary>
internal interface IOutgoingDisk
{
    /// <summary>
    /// Runs to the end, whichever way, and throws nothing: the feed has an ended status then, and nothing is left open.
    /// </summary>
    /// <param name="cancel">Somebody stops it: <see cref="DiskTransferState.Cancelled"/>.</param>
    /// <param name="closing">The host closes: <see cref="DiskTransferState.Failed"/>.</param>
    Task RunAsync(CancellationToken cancel, CancellationToken closing);

    /// <summary>Sends nothing more from when this ends, and does nothing where it is suspended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    Task SuspendAsync(CancellationToken cancellationToken);

    /// <summary>Goes on; does nothing where it is not suspended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    Task ResumeAsync(CancellationToken cancellationToken);
}
