using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>A disk image as the file it is, holes and all.</summary>
internal class FileDiskContents : IDiskContents
{
    private readonly string path;
    private readonly Lock seeking = new();

    private protected FileDiskContents(string path, SafeFileHandle file, long sizeBytes)
    {
        this.path = path;
        File = file;
        SizeBytes = sizeBytes;
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <summary>The open file.</summary>
    protected SafeFileHandle File { get; }

    /// <summary>Opens an image for reading.</summary>
    /// <exception cref="MigrationException">Where open(2) fails.</exception>
    public static FileDiskContents Open(string path)
    {
        SafeFileHandle file = OpenFile.ForReading(path);
        try
        {
            return new(path, file, FileStatus.Read(file).SizeBytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public DiskExtent FindExtent(long offsetBytes)
    {
        // Seeking moves the position of the open file; nothing else here uses it.
        lock (seeking)
        {
            long data = Lseek.TryFindData(File, offsetBytes, out long start) ? Math.Min(start, SizeBytes) : SizeBytes;
            if (data > offsetBytes) return new(offsetBytes, data - offsetBytes, IsZero: true);
            long hole = Math.Min(Lseek.FindHole(File, offsetBytes), SizeBytes);
            return new(offsetBytes, hole - offsetBytes, IsZero: false);
        }
    }

    /// <inheritdoc/>
    public void Read(long offsetBytes, Span<byte> buffer)
    {
        int count = PositionalIo.ReadFully(File, offsetBytes, buffer, out int errno);
        if (errno != 0) throw Errno.Failure(errno, "pread", $"{path}, 0x{offsetBytes:x}+0x{buffer.Length:x}");
        if (count == buffer.Length) return;
        throw new MigrationException(
            MigrationErrorReason.DiskChanged, $"'{path}' ends at {offsetBytes + count} bytes: it was shortened while it was read.",
            "Keep others from writing the disk, and start the transfer again.");
    }

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        File.Dispose();
        return ValueTask.CompletedTask;
    }
}
