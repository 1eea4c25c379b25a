namespace VmMigration.Engine.Disks;

/// <summary>The source's side of one transfer. Disposal closes the image.</summary>
internal interface IOutgoingDisk : IAsyncDisposable
{
    /// <summary>Runs to the end, whichever way, and throws nothing: the feed has an ended status then.</summary>
    /// <param name="cancel">Stops it: <see cref="DiskTransferState.Cancelled"/>.</param>
    Task RunAsync(CancellationToken cancel);

    /// <summary>Sends nothing more from when this ends; does nothing where it is suspended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    Task SuspendAsync(CancellationToken cancellationToken);

    /// <summary>Goes on; does nothing where it is not suspended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    void Resume();
}
