namespace VmMigration.Engine.Disks;

/// <summary>
/// What a disk holds: a file as it is, or what is inside an image. Calls block; several threads may read at once.
/// </summary>
internal interface IDiskContents : IAsyncDisposable
{
    /// <summary>Length in bytes; not always a multiple of anything.</summary>
    long SizeBytes { get; }

    /// <summary>The extent that begins at this offset; neighbours may be of one kind.</summary>
    /// <param name="offsetBytes">From 0 to below <see cref="SizeBytes"/>.</param>
    DiskExtent FindExtent(long offsetBytes);

    /// <summary>Fills the buffer.</summary>
    /// <exception cref="MigrationException">
    /// Where the storage fails, with the reason the error stands for; <see cref="MigrationErrorReason.DiskChanged"/> where it ends early.
    /// </exception>
    void Read(long offsetBytes, Span<byte> buffer);
}
