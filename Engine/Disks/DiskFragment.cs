namespace VmMigration.Engine.Disks;

/// <summary>What a transfer that did not complete left at its destination. Serializable.</summary>
public sealed record DiskFragment
{
    /// <summary>Id of the fragment; that of the transfer that left it.</summary>
    public required Guid Id { get; init; }

    /// <summary>The disk at its source, with the generation it was copied from.</summary>
    public required DiskDescription Source { get; init; }

    /// <summary>Absolute path the disk was to have.</summary>
    public required string DestinationPath { get; init; }

    /// <summary>Format it was to have; null where the file was copied as it is.</summary>
    public DiskFormat? DestinationFormat { get; init; }

    /// <summary>Absolute path of the incomplete file.</summary>
    public required string Path { get; init; }

    /// <summary>Size of what was copied when it is complete.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>All before it was on the disk when the record was made.</summary>
    public required long OffsetBytes { get; init; }

    /// <summary>Bytes the incomplete file takes on its file system.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>XXH128 over the XXH128 of each whole block before the offset, 32 hexadecimal digits.</summary>
    public required string Digest { get; init; }

    /// <summary>When it was made, UTC.</summary>
    public required DateTimeOffset StoredAt { get; init; }

    /// <summary>Why the transfer did not complete.</summary>
    public required MigrationErrorReason Reason { get; init; }

    /// <summary>What happened, in a sentence.</summary>
    public required string Message { get; init; }
}
