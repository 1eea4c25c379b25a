using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>The destination's side of one transfer.</summary>
internal interface IIncomingDisk
{
    /// <summary>The transfer.</summary>
    Guid TransferId { get; }

    /// <summary>Lets its source in.</summary>
    /// <returns>What the source has to know to get in.</returns>
    IncomingOffer Register(MigrationListener entrance);

    /// <summary>Lets its source in no more.</summary>
    void Unregister(MigrationListener entrance);

    /// <summary>
    /// Waits a limited time for the source, receives the disk and settles its place: <see cref="IIncompleteDisks.CompleteAsync"/> or
    /// <see cref="IIncompleteDisks.KeepAsync"/>. Throws nothing, and nothing is left open.
    /// </summary>
    /// <param name="withdraw">Gives it up.</param>
    Task RunAsync(CancellationToken withdraw);
}
