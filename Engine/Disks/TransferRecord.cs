namespace VmMigration.Engine.Disks;

/// <summary>
/// What is known of the files of one incomplete disk. It is recorded before anything is done with the files, so that whoever reads it knows
/// of all places where they may be.
/// </summary>
internal sealed record TransferRecord
{
    /// <summary>The ending of the disk's own file.</summary>
    public const string FileEnding = ".disk";

    /// <summary>The ending of the file that holds the digests.</summary>
    public const string DigestsEnding = ".digests";

    /// <summary>Id of the transfer.</summary>
    public required Guid Id { get; init; }

    /// <summary>What the files are.</summary>
    public required TransferRecordState State { get; init; }

    /// <summary>The disk at its source, with the generation it is copied from.</summary>
    public required DiskDescription Source { get; init; }

    /// <summary>Absolute path the disk is to have.</summary>
    public required string DestinationPath { get; init; }

    /// <summary>Format it is to have; null where the file is copied as it is.</summary>
    public DiskFormat? DestinationFormat { get; init; }

    /// <summary>Whether a file at <see cref="DestinationPath"/> may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>All before it is on the disk, digests included, bytes.</summary>
    public long OffsetBytes { get; init; }

    /// <summary>Length the disk's file had when <see cref="OffsetBytes"/> was recorded: one that is shorter has been truncated.</summary>
    public long FileBytes { get; init; }

    /// <summary>XXH128 over the digests of <see cref="BlockDigests.CountBefore"/> blocks, 32 hexadecimal digits.</summary>
    public string Digest { get; init; } = BlockDigests.Fold([]);

    /// <summary>Absolute path of the files without their endings.</summary>
    public required string Place { get; init; }

    /// <summary>Where the files were, and may be still; null where they are at <see cref="Place"/>.</summary>
    public string? FormerPlace { get; init; }

    /// <summary>When the state was entered, UTC.</summary>
    public required DateTimeOffset RecordedAt { get; init; }

    /// <summary>Why the transfer did not complete; <see cref="MigrationErrorReason.Invalid"/> while it is under way.</summary>
    public MigrationErrorReason Reason { get; init; }

    /// <summary>What happened, in a sentence; empty while it is under way.</summary>
    public string Message { get; init; } = "";

    /// <summary>The fragment whose files these were before the transfer took them, as it was; null for none.</summary>
    public TransferRecord? TakenFrom { get; init; }

    /// <summary>Size of what is copied: the file's, or the virtual disk's where its inside is copied.</summary>
    public long SizeBytes => DestinationFormat is null ? Source.Generation.SizeBytes : Source.VirtualSizeBytes;

    /// <summary>Absolute path of the disk's file.</summary>
    public string FilePath => Place + FileEnding;

    /// <summary>Absolute path of the file that holds the digests.</summary>
    public string DigestsPath => Place + DigestsEnding;

    /// <summary>Whether it is of the same disk, copied in the same way.</summary>
    public bool IsOf(IncomingDiskRequest request) =>
        string.Equals(Source.HostName, request.Source.HostName, StringComparison.OrdinalIgnoreCase)
        && string.Equals(Source.Path, request.Source.Path, StringComparison.Ordinal)
        && DestinationFormat == request.Options.DestinationFormat;

    /// <summary>What others see of it.</summary>
    /// <param name="allocatedBytes">Bytes the disk's file takes on its file system.</param>
    public DiskFragment ToFragment(long allocatedBytes) => new()
    {
        Id = Id,
        Source = Source,
        DestinationPath = DestinationPath,
        DestinationFormat = DestinationFormat,
        Path = FilePath,
        SizeBytes = SizeBytes,
        OffsetBytes = OffsetBytes,
        AllocatedBytes = allocatedBytes,
        Digest = Digest,
        StoredAt = RecordedAt,
        Reason = Reason,
        Message = Message,
    };
}
