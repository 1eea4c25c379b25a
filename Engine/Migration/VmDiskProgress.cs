using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Migration;

/// <summary>How far one disk of a migration has come. Serializable.</summary>
/// <param name="Name">Which of the VM's disks, as <see cref="VmDisk.Name"/>.</param>
/// <param name="SourcePath">The image that is copied, on the source host.</param>
/// <param name="DestinationPath">Where it goes to on the destination host; null before that has said so.</param>
/// <param name="Phase">Where it stands.</param>
/// <param name="SizeBytes">Size of what is copied.</param>
/// <param name="DoneBytes">How much of it is done, holes and what was there before included.</param>
/// <param name="SentBytes">Bytes put on the wire for the copy.</param>
/// <param name="MirroredBytes">Bytes of the overlay that have been copied.</param>
/// <param name="BytesPerSecond">Contents sent in the last second or two, bytes a second.</param>
public sealed record VmDiskProgress(
    string Name, string SourcePath, string? DestinationPath, VmDiskPhase Phase, long SizeBytes, long DoneBytes, long SentBytes,
    long MirroredBytes, long BytesPerSecond)
{
    /// <summary>What the copy began with; null before it began, and where all of it was there.</summary>
    public DiskResumption? Resumption { get; init; }
}
