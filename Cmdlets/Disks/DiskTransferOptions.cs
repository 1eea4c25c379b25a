namespace VmMigration.Cmdlets;

/// <summary>How a disk is copied.</summary>
public sealed record DiskTransferOptions
{
    /// <summary>Most bytes a second on the wire; 0 means no limit.</summary>
    public long MaxBytesPerSecond { get; init; }

    /// <summary>Parallel data connections; 0 lets the engine choose.</summary>
    public int Channels { get; init; }

    /// <summary>Whether contents are compressed on their way.</summary>
    public DiskCompression Compression { get; init; }

    /// <summary>Format at the destination; null where the file is copied as it is.</summary>
    public DiskFormat? DestinationFormat { get; init; }

    /// <summary>Whether a file at the destination's path may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Whether a fragment that an earlier copy of the disk left may be gone on from.</summary>
    public bool UseFragment { get; init; }

    internal static DiskTransferOptions From(Engine.Disks.DiskTransferOptions options) => new()
    {
        MaxBytesPerSecond = options.MaxBytesPerSecond,
        Channels = options.Channels,
        Compression = (DiskCompression)options.Compression,
        DestinationFormat = (DiskFormat?)options.DestinationFormat,
        Overwrite = options.Overwrite,
        UseFragment = options.UseFragment,
    };
}
