using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>
/// The digests of the blocks of a disk that arrives, in memory and in the file beside it: 16 bytes a block. Several threads may set
/// different ones at once.
/// </summary>
internal sealed class DiskDigestFile : IDisposable
{
    // The digests of 4 GiB: enough for one write to be worth it.
    private const int RunBytes = 64 << 10;

    private readonly string path;
    private readonly SafeFileHandle file;
    private readonly byte[] digests;

    private DiskDigestFile(string path, SafeFileHandle file, byte[] digests)
    {
        this.path = path;
        this.file = file;
        this.digests = digests;
    }

    /// <summary>Opens the file, or makes it; what it holds less than the disk has blocks counts as zeros.</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="blocks">The disk.</param>
    /// <exception cref="MigrationException">Where it cannot be opened, made or read.</exception>
    public static DiskDigestFile Open(string path, DiskBlocks blocks)
    {
        SafeFileHandle file = OpenFile.ForReadingAndWritingOrMake(path);
        try
        {
            byte[] digests = new byte[checked((int)(blocks.Count * BlockDigests.DigestBytes))];
            PositionalIo.ReadFully(file, 0, digests, out int errno);
            if (errno != 0) throw Errno.Failure(errno, "pread", $"{path}, 0x0+0x{digests.Length:x}");
            return new(path, file, digests);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The digest of a block.</summary>
    public UInt128 this[long block] => BlockDigests.Read(digests.AsSpan((int)(block * BlockDigests.DigestBytes), BlockDigests.DigestBytes));

    /// <summary>Sets the digest of a block.</summary>
    public void Set(long block, UInt128 digest)
    {
        Span<byte> place = digests.AsSpan((int)(block * BlockDigests.DigestBytes), BlockDigests.DigestBytes);
        BlockDigests.Write(place, digest);
        Write(block * BlockDigests.DigestBytes, place);
    }

    /// <summary>Sets the digests of a run of blocks that are zeros.</summary>
    public void SetZeros(DiskBlocks blocks, long first, long count)
    {
        for (long block = first; block < first + count; block++)
        {
            BlockDigests.Write(digests.AsSpan((int)(block * BlockDigests.DigestBytes)), blocks.ZeroDigestOf(block));
        }

        WriteRange(first, count);
    }

    /// <summary>Sets a digest without writing it: it is what the disk holds, and is written once it is known to stay.</summary>
    public void Note(long block, UInt128 digest) =>
        BlockDigests.Write(digests.AsSpan((int)(block * BlockDigests.DigestBytes)), digest);

    /// <summary>Writes what was noted of a run of blocks.</summary>
    public void WriteRange(long first, long count)
    {
        long end = (first + count) * BlockDigests.DigestBytes;
        for (long offset = first * BlockDigests.DigestBytes; offset < end; offset += RunBytes)
        {
            Write(offset, digests.AsSpan((int)offset, (int)Math.Min(RunBytes, end - offset)));
        }
    }

    /// <summary>The bytes of the digests of the blocks between two numbers.</summary>
    public ReadOnlySpan<byte> Bytes(long first, long end) =>
        digests.AsSpan((int)(first * BlockDigests.DigestBytes), (int)((end - first) * BlockDigests.DigestBytes));

    /// <summary>Returns once all that was written is on the storage.</summary>
    public void Sync() => FileSync.Data(file);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = PositionalIo.Write(file, offset, bytes);
            if (count < 0) throw Errno.Failure(-count, "pwrite", $"{path}, 0x{offset:x}+0x{bytes.Length:x}");
            bytes = bytes[count..];
            offset += count;
        }
    }
}
