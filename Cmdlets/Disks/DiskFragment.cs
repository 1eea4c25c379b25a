using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>A snapshot of what a disk transfer that did not complete left at its destination.</summary>
public sealed record DiskFragment
{
    /// <summary>Id of the fragment; that of the transfer that left it.</summary>
    public required Guid Id { get; init; }

    /// <summary>The host that keeps it: the transfer's destination.</summary>
    public required string HostName { get; init; }

    /// <summary>The host that has the disk.</summary>
    public required string SourceHostName { get; init; }

    /// <summary>Path of the disk there.</summary>
    public required string SourcePath { get; init; }

    /// <summary>Format of the disk there.</summary>
    public required DiskFormat SourceFormat { get; init; }

    /// <summary>When the disk had last been written before it was copied, UTC: one written since is compared block by block.</summary>
    public required DateTimeOffset SourceModifiedAt { get; init; }

    /// <summary>Absolute path the disk was to have.</summary>
    public required string DestinationPath { get; init; }

    /// <summary>Format it was to have; null where the file was copied as it is.</summary>
    public DiskFormat? DestinationFormat { get; init; }

    /// <summary>Absolute path of the incomplete file.</summary>
    public required string Path { get; init; }

    /// <summary>Size of what was copied when it is complete.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>All before it was on the destination's disk: a later transfer goes on from it.</summary>
    public required long OffsetBytes { get; init; }

    /// <summary>Bytes the incomplete file takes on its file system.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>XXH128 over the XXH128 of each whole block before the offset, 32 hexadecimal digits.</summary>
    public required string Digest { get; init; }

    /// <summary>When it was made, UTC.</summary>
    public required DateTimeOffset StoredAt { get; init; }

    /// <summary>Error id of why the transfer did not complete.</summary>
    public required string ErrorId { get; init; }

    /// <summary>What happened, in a sentence.</summary>
    public required string Message { get; init; }

    /// <summary>How much of the disk is there for good, 0 to 100.</summary>
    public int PercentComplete => SizeBytes == 0 ? 0 : (int)(100.0 * OffsetBytes / SizeBytes);

    /// <summary>The disk, its host, and how much is there.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{OffsetBytes >> 20} MiB of {SourcePath} from {SourceHostName}, kept by {HostName}");

    internal static DiskFragment From(string hostName, Engine.Disks.DiskFragment fragment) => new()
    {
        Id = fragment.Id,
        HostName = hostName,
        SourceHostName = fragment.Source.HostName,
        SourcePath = fragment.Source.Path,
        SourceFormat = (DiskFormat)fragment.Source.Format,
        SourceModifiedAt = DateTimeOffset.UnixEpoch.AddTicks(fragment.Source.Generation.ModifiedNanoseconds / TimeSpan.NanosecondsPerTick),
        DestinationPath = fragment.DestinationPath,
        DestinationFormat = (DiskFormat?)fragment.DestinationFormat,
        Path = fragment.Path,
        SizeBytes = fragment.SizeBytes,
        OffsetBytes = fragment.OffsetBytes,
        AllocatedBytes = fragment.AllocatedBytes,
        Digest = fragment.Digest,
        StoredAt = fragment.StoredAt,
        ErrorId = fragment.Reason.ToString(),
        Message = fragment.Message,
    };
}
