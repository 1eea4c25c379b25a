using VmMigration.Engine.Migration;

namespace VmMigration.Engine.Disks;

/// <summary>How a disk is to be copied. Serializable.</summary>
public sealed record DiskTransferOptions
{
    /// <summary>Most bytes a second on the wire; 0 means no limit.</summary>
    public long MaxBytesPerSecond { get; init; }

    /// <summary>Parallel data connections, 1 to 16; 0 lets the engine choose.</summary>
    public int Channels { get; init; }

    /// <summary>Whether contents are compressed on their way.</summary>
    public DiskCompression Compression { get; init; } = DiskCompression.None;

    /// <summary>
    /// Format at the destination; null copies the file as it is, byte for byte. Any value, the source's own format too, reads what is inside
    /// the image and writes it into a new one, overlays flattened.
    /// </summary>
    public DiskFormat? DestinationFormat { get; init; }

    /// <summary>Whether a file at the destination's path may be replaced. It stays until the new one is complete and verified.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Whether a fragment that an earlier copy of the disk left may be gone on from; otherwise it is left alone.</summary>
    public bool UseFragment { get; init; } = true;

    /// <summary>Checks every value against its limits.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/>, naming the value.</exception>
    public void Validate()
    {
        Require(MaxBytesPerSecond == 0 || MaxBytesPerSecond >= BandwidthLimit.MinBytesPerSecond, nameof(MaxBytesPerSecond),
            $"0 or at least {BandwidthLimit.MinBytesPerSecond}");
        Require(Channels is >= 0 and <= 16, nameof(Channels), "0 to 16");
        Require(Compression != DiskCompression.Invalid && Enum.IsDefined(Compression), nameof(Compression), "one of the known ones");
        Require(DestinationFormat is null || (DestinationFormat != DiskFormat.Invalid && Enum.IsDefined(DestinationFormat.Value)),
            nameof(DestinationFormat), "one of the known ones");
    }

    private static void Require(bool holds, string name, string bounds)
    {
        if (!holds) throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{name} must be {bounds}.");
    }
}
