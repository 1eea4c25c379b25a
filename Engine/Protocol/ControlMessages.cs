using System.Text.Json.Serialization;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Protocol;

// The JSON payloads of the control frames; PROTOCOL.md says who sends which, and when.

/// <summary>Payload of <see cref="FrameType.Welcome"/>.</summary>
internal sealed record WelcomeMessage(string HostName);

/// <summary>Payload of <see cref="FrameType.Refused"/> and <see cref="FrameType.Abort"/>.</summary>
internal sealed record FailureMessage(MigrationErrorReason Reason, string Message, string? RecommendedAction)
{
    public static FailureMessage Of(MigrationException error) => new(error.Reason, error.Message, error.RecommendedAction);

    public MigrationException ToException() => new(Reason, Message, RecommendedAction);
}

/// <summary>
/// Payload of <see cref="FrameType.Start"/>; with <paramref name="Postcopy"/> one data connection more comes, for requested pages.
/// </summary>
internal sealed record StartMessage(int Channels, long MemoryBytes, bool Postcopy);

/// <summary>Payload of <see cref="FrameType.Started"/>: why the VM cannot resume here before all of its memory is there, or null.</summary>
internal sealed record StartedMessage(string? PostcopyRefused);

/// <summary>Payload of <see cref="FrameType.Postcopy"/>: number of pages in the <see cref="FrameType.Missing"/> frames before it.</summary>
internal sealed record PostcopyMessage(long Pages);

/// <summary>Payload of <see cref="FrameType.Placed"/>; the digest is null where memory is not compared.</summary>
internal sealed record PlacedMessage(long PagesTouched, TimeSpan StallTime, string? Digest);

/// <summary>Payload of <see cref="FrameType.PoisonedPages"/>: a part of the pages that are poisoned at the source.</summary>
internal sealed record PoisonedPagesMessage(IReadOnlyList<PoisonedPage> Pages)
{
    /// <summary>Most pages in one message; more travel in several.</summary>
    public const int MaxPages = 1024;
}

/// <summary>Payload of <see cref="FrameType.Verify"/>: XXH128 digest of all memory, as hexadecimal digits.</summary>
internal sealed record VerifyMessage(string Digest);

/// <summary>Payload of <see cref="FrameType.Grant"/>.</summary>
internal sealed record GrantMessage(bool Resume);

/// <summary>Payload of <see cref="FrameType.Resumed"/>.</summary>
internal sealed record ResumedMessage(
    TimeSpan CommitTime, TimeSpan ResumeTime, long PagesPopulated, TimeSpan PopulationTime, string? PopulationRefused, string? Accelerator,
    string? PoisonFallback, string? LargePagesRefused);

/// <summary>Payload of <see cref="FrameType.Report"/>.</summary>
internal sealed record ReportMessage(long? FaultsAfterResume, LargePageCoverage? LargePages);

/// <summary>Payload of <see cref="FrameType.Outcome"/>.</summary>
internal sealed record OutcomeMessage(MigrationOutcome Outcome);

/// <summary>
/// Payload of <see cref="FrameType.DiskStart"/>; the destination refuses another generation than the one it matched its fragments with.
/// </summary>
internal sealed record DiskStartMessage(int Channels, long SizeBytes, DiskGeneration Generation);

/// <summary>
/// Payload of <see cref="FrameType.DiskPlan"/>: the first blocks are there; those after them are compared, up to the end or not at all.
/// </summary>
internal sealed record DiskPlanMessage(long TrustedBlocks, bool ComparesRest);

/// <summary>Payload of <see cref="FrameType.DiskWanted"/>: the block arrived damaged, or was found to be.</summary>
internal sealed record DiskWantedMessage(long Block);

/// <summary>Payload of <see cref="FrameType.DiskProgress"/>: all before the offset is on the storage and recorded.</summary>
internal sealed record DiskProgressMessage(long DurableOffsetBytes);

/// <summary>Payload of <see cref="FrameType.DiskComplete"/>: what stands for the whole disk, 32 hexadecimal digits.</summary>
internal sealed record DiskCompleteMessage(string Digest);

/// <summary>Payload of <see cref="FrameType.DiskEnded"/>: why the destination ended the transfer, and what it kept of it.</summary>
internal sealed record DiskEndedMessage(FailureMessage Failure, Guid? FragmentId);

[JsonSourceGenerationOptions(UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(WelcomeMessage))]
[JsonSerializable(typeof(FailureMessage))]
[JsonSerializable(typeof(StartMessage))]
[JsonSerializable(typeof(PoisonedPagesMessage))]
[JsonSerializable(typeof(StartedMessage))]
[JsonSerializable(typeof(PostcopyMessage))]
[JsonSerializable(typeof(PlacedMessage))]
[JsonSerializable(typeof(VerifyMessage))]
[JsonSerializable(typeof(GrantMessage))]
[JsonSerializable(typeof(ResumedMessage))]
[JsonSerializable(typeof(ReportMessage))]
[JsonSerializable(typeof(OutcomeMessage))]
[JsonSerializable(typeof(DiskStartMessage))]
[JsonSerializable(typeof(DiskPlanMessage))]
[JsonSerializable(typeof(DiskWantedMessage))]
[JsonSerializable(typeof(DiskProgressMessage))]
[JsonSerializable(typeof(DiskCompleteMessage))]
[JsonSerializable(typeof(DiskEndedMessage))]
internal sealed partial class ControlMessages : JsonSerializerContext;
