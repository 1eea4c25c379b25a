namespace VmMigration.Engine.Disks;

/// <summary>A disk image on a host, as it was at one moment. Serializable.</summary>
public sealed record DiskDescription
{
    /// <summary>Name of the host.</summary>
    public required string HostName { get; init; }

    /// <summary>Absolute path, symbolic links resolved. With the host it is the disk's identity.</summary>
    public required string Path { get; init; }

    /// <summary>Format, as the file's header says.</summary>
    public required DiskFormat Format { get; init; }

    /// <summary>Size of the disk that a guest sees, bytes.</summary>
    public required long VirtualSizeBytes { get; init; }

    /// <summary>Bytes the file takes on its file system.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>Which contents it was described with; its size is the file's.</summary>
    public required DiskGeneration Generation { get; init; }

    /// <summary>Path of the image it is an overlay of, as its header says; null for none.</summary>
    public string? BackingPath { get; init; }

    /// <summary>Format of <see cref="BackingPath"/>; null for none.</summary>
    public DiskFormat? BackingFormat { get; init; }

    /// <summary>Whether a process may be writing it now (QEMU's image locks, docs/system/images.rst).</summary>
    public bool IsBeingWritten { get; init; }
}
