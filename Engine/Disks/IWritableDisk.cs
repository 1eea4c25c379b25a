namespace VmMigration.Engine.Disks;

/// <summary>A disk that is being filled. Several threads may write different parts at once.</summary>
internal interface IWritableDisk : IDiskContents
{
    /// <summary>Writes all bytes.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.OutOfSpace"/>, and what else the error stands for.</exception>
    void Write(long offsetBytes, ReadOnlySpan<byte> contents);

    /// <summary>Makes a part read as zeros, without taking space for it where the file system can (fallocate(2), PUNCH_HOLE).</summary>
    void WriteZeros(long offsetBytes, long lengthBytes);

    /// <summary>Returns once all that was written is on the storage (fdatasync(2)).</summary>
    void Sync();
}
