using System.Globalization;

namespace VmMigration.Cmdlets;

/// <summary>How far one disk of a migration has come.</summary>
/// <param name="Name">Which of the VM's disks: disk0, disk1, … in the order of its specification.</param>
/// <param name="SourcePath">The image that is copied, on the source host.</param>
/// <param name="DestinationPath">Where it goes to on the destination host; null before that has said so.</param>
/// <param name="Phase">Where it stood.</param>
/// <param name="SizeBytes">Size of what is copied.</param>
/// <param name="DoneBytes">How much of it was done, holes and what was there before included.</param>
/// <param name="SentBytes">Bytes put on the wire for the copy.</param>
/// <param name="MirroredBytes">Bytes of the overlay that had been copied.</param>
/// <param name="BytesPerSecond">Contents sent in the last second or two, bytes a second.</param>
public sealed record VmDiskProgress(
    string Name, string SourcePath, string? DestinationPath, VmDiskPhase Phase, long SizeBytes, long DoneBytes, long SentBytes,
    long MirroredBytes, long BytesPerSecond)
{
    /// <summary>What the copy began with; null before it began, and where all of it was there.</summary>
    public DiskResumption? Resumption { get; init; }

    /// <summary>The disk, its phase and how much is done.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Name}: {Phase}, {DoneBytes >> 20} of {SizeBytes >> 20} MiB");

    internal static VmDiskProgress From(Engine.Migration.VmDiskProgress disk) => new(
        disk.Name, disk.SourcePath, disk.DestinationPath, (VmDiskPhase)disk.Phase, disk.SizeBytes, disk.DoneBytes, disk.SentBytes,
        disk.MirroredBytes, disk.BytesPerSecond)
    {
        Resumption = disk.Resumption is { } resumption ? DiskResumption.From(resumption) : null,
    };
}
