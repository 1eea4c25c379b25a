using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>The destination's side of one transfer.</summary>
internal interface IIncomingDisk : IIncomingOperation
{
    /// <summary>
    /// Waits a limited time for the source, receives the disk and settles its place: <see cref="IIncompleteDisks.CompleteAsync"/> or
    /// <see cref="IIncompleteDisks.KeepAsync"/>. Throws nothing, and nothing is left open.
    /// </summary>
    /// <param name="withdraw">Gives it up.</param>
    Task<DiskReceiverEnd> RunAsync(CancellationToken withdraw);
}
