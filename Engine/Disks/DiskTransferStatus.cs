using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>A snapshot of one disk transfer, as its source host knows it. Serializable.</summary>
public sealed record DiskTransferStatus
{
    /// <summary>Id of the transfer on both hosts.</summary>
    public required Guid Id { get; init; }

    /// <summary>The host that has the disk.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>Its path there.</summary>
    public required string SourcePath { get; init; }

    /// <summary>The host it is copied to.</summary>
    public required string DestinationHostName { get; init; }

    /// <summary>Absolute path there at the end.</summary>
    public required string DestinationPath { get; init; }

    /// <summary>How it is copied.</summary>
    public required DiskTransferOptions Options { get; init; }

    /// <summary>How the connections between the hosts are protected.</summary>
    public LinkSecurity LinkSecurity { get; init; } = LinkSecurity.Plain;

    /// <summary>Where it stands.</summary>
    public required DiskTransferState State { get; init; }

    /// <summary>What it began with.</summary>
    public DiskResumption Resumption { get; init; } = DiskResumption.Fresh;

    /// <summary>When it was started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Size of what is copied: the file's, or the virtual disk's where its inside is copied.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>How much of <see cref="SizeBytes"/> is done, holes and what was there before included.</summary>
    public long DoneBytes { get; init; }

    /// <summary>All before it is on the destination's disk and recorded there, as it said last.</summary>
    public long DurableOffsetBytes { get; init; }

    /// <summary>Bytes written to the connections.</summary>
    public long SentBytes { get; init; }

    /// <summary>Contents that were sent, before compression.</summary>
    public long DataBytes { get; init; }

    /// <summary>Bytes that are zero, or holes: they cost a few bytes on the wire.</summary>
    public long ZeroBytes { get; init; }

    /// <summary>Bytes that were compared and found to be there.</summary>
    public long UnchangedBytes { get; init; }

    /// <summary>Contents that were sent a second time because the destination found them damaged.</summary>
    public long RepairedBytes { get; init; }

    /// <summary>Contents sent in the last second or two, bytes a second.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>XXH128 over the XXH128 of each block of the complete disk, 32 hexadecimal digits; null before its end.</summary>
    public string? Digest { get; init; }

    /// <summary>The fragment that what arrived was kept as; null for none.</summary>
    public Guid? FragmentId { get; init; }

    /// <summary>What whoever started it should know, in a sentence or two; null for nothing.</summary>
    public string? Notice { get; init; }

    /// <summary>Why it did not complete; <see cref="MigrationErrorReason.Invalid"/> where nothing failed.</summary>
    public MigrationErrorReason ErrorReason { get; init; }

    /// <summary>What happened, in a sentence; null where nothing failed.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where nothing failed or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>Whether it has ended, whichever way.</summary>
    public bool HasEnded => State is DiskTransferState.Completed or DiskTransferState.Failed or DiskTransferState.Cancelled;
}
