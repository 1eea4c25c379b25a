using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>What moving one disk with its VM did and cost.</summary>
public sealed record VmDiskResult
{
    /// <summary>Which of the VM's disks: disk0, disk1, … in the order of its specification.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Absolute path on the destination host of the one file that remains there; until the overlay is merged into it, which begins after the
    /// migration, the guest writes a second file beside it.
    /// </summary>
    public required string DestinationPath { get; init; }

    /// <summary>Size of what was copied, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Bytes put on the wire for the copy, the mirroring not included.</summary>
    public long BytesSent { get; init; }

    /// <summary>Bytes an earlier try had brought: they were not sent again.</summary>
    public long BytesResumed { get; init; }

    /// <summary>What the copy began with; null where all of it was there.</summary>
    public DiskResumption? Resumption { get; init; }

    /// <summary>What the copy took.</summary>
    public TimeSpan CopyTime { get; init; }

    /// <summary>Bytes that were mirrored: the overlay, and what the guest wrote meanwhile. 0 for a read-only disk.</summary>
    public long BytesMirrored { get; init; }

    /// <summary>From the start of the mirror until both sides were equal for the first time.</summary>
    public TimeSpan MirrorTime { get; init; }

    /// <summary>
    /// Absolute paths of the disk's files that are still on the source host; no VM there refers to them. Empty where they were removed.
    /// </summary>
    public IReadOnlyList<string> FilesLeftAtSource { get; init; } = [];

    /// <summary>The main numbers in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Name}: {BytesSent >> 20} of {SizeBytes >> 20} MiB sent in {CopyTime.TotalSeconds:F2} s, {BytesMirrored >> 20} MiB mirrored");

    internal static VmDiskResult From(Engine.Migration.VmDiskResult disk) => new()
    {
        Name = disk.Name,
        DestinationPath = disk.DestinationPath,
        SizeBytes = disk.SizeBytes,
        BytesSent = disk.BytesSent,
        BytesResumed = disk.BytesResumed,
        Resumption = disk.Resumption is { } resumption ? DiskResumption.From(resumption) : null,
        CopyTime = disk.CopyTime,
        BytesMirrored = disk.BytesMirrored,
        MirrorTime = disk.MirrorTime,
        FilesLeftAtSource = disk.FilesLeftAtSource,
    };
}
