using VmMigration.Engine.Disks;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of the copy of a disk to another host, under way or ended.</summary>
public sealed record DiskTransfer
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
    public LinkSecurity LinkSecurity { get; init; }

    /// <summary>Where it stood.</summary>
    public required DiskTransferState State { get; init; }

    /// <summary>How much of the disk was done, 0 to 100; what an earlier transfer had brought counts.</summary>
    public required int PercentComplete { get; init; }

    /// <summary>What it began with.</summary>
    public required DiskResumption Resumption { get; init; }

    /// <summary>What whoever copies the disk should know: that it is an overlay, for example; null for nothing.</summary>
    public string? Notice { get; init; }

    /// <summary>When it was started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Size of what is copied: the file's, or the virtual disk's where its inside is copied.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>How much of <see cref="SizeBytes"/> was done, holes and what was there before included.</summary>
    public long DoneBytes { get; init; }

    /// <summary>All before it was on the destination's disk and recorded there: a later transfer goes on from it.</summary>
    public long DurableOffsetBytes { get; init; }

    /// <summary>Bytes put on the wire.</summary>
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

    /// <summary>Error id of why it did not complete; null where nothing failed.</summary>
    public string? ErrorId { get; init; }

    /// <summary>What happened, in a sentence; null where nothing failed.</summary>
    public string? ErrorMessage { get; init; }

    /// <summary>What to do next; null where nothing failed or the message says it.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>Whether it had ended, whichever way.</summary>
    public bool HasEnded => State is DiskTransferState.Completed or DiskTransferState.Failed or DiskTransferState.Cancelled;

    /// <summary>The disk, the two hosts and the state.</summary>
    public override string ToString() => $"{SourcePath}: {SourceHostName} → {DestinationHostName}, {State}";

    internal static DiskTransfer From(DiskTransferStatus status) => new()
    {
        Id = status.Id,
        SourceHostName = status.SourceHostName,
        SourcePath = status.SourcePath,
        DestinationHostName = status.DestinationHostName,
        DestinationPath = status.DestinationPath,
        Options = DiskTransferOptions.From(status.Options),
        LinkSecurity = (LinkSecurity)status.LinkSecurity,
        State = (DiskTransferState)status.State,
        PercentComplete = DiskTransferProgressRecord.PercentOf(status),
        Resumption = DiskResumption.From(status.Resumption),
        Notice = status.Notice,
        StartedAt = status.StartedAt,
        EndedAt = status.EndedAt,
        SizeBytes = status.SizeBytes,
        DoneBytes = status.DoneBytes,
        DurableOffsetBytes = status.DurableOffsetBytes,
        SentBytes = status.SentBytes,
        DataBytes = status.DataBytes,
        ZeroBytes = status.ZeroBytes,
        UnchangedBytes = status.UnchangedBytes,
        RepairedBytes = status.RepairedBytes,
        BytesPerSecond = status.BytesPerSecond,
        Digest = status.Digest,
        FragmentId = status.FragmentId,
        ErrorId = status.ErrorReason == Engine.MigrationErrorReason.Invalid ? null : status.ErrorReason.ToString(),
        ErrorMessage = status.ErrorMessage,
        RecommendedAction = status.RecommendedAction,
    };
}
