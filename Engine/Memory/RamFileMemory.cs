using System.Globalization;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// RAM of a VM that lives in a shared memory file (tmpfs, hugetlbfs or memfd), which the VM's process maps. Reads and writes are system
/// calls on the file: a page with an uncorrectable memory error gives EIO, where a load from a mapping would end this process.
/// </summary>
/// <remarks>
/// A hugetlbfs takes no write(2): there a system call writes through the mapping. It knows no holes either; what was never written reads as
/// zeros all the same, and takes no page.
/// </remarks>
public sealed class RamFileMemory : GuestMemory
{
    private readonly SafeFileHandle file;
    private readonly MemoryMapping mapping;
    private readonly RamFileExtents extents;
    private readonly bool takesNoWrite;

    /// <param name="file">The file, open for reading and writing; taken over also where the constructor fails.</param>
    /// <param name="sizeBytes">Size of the RAM block, which starts with the file; a multiple of the page size.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> where the file is shorter, or what mmap(2) failed with.
    /// </exception>
    public RamFileMemory(SafeFileHandle file, long sizeBytes)
        : base(sizeBytes)
    {
        this.file = file;
        try
        {
            long fileBytes = RandomAccess.GetLength(file);
            if (fileBytes < sizeBytes)
            {
                throw new MigrationException(
                    MigrationErrorReason.InvalidArgument, $"The RAM file has 0x{fileBytes:x} bytes, the VM's memory 0x{sizeBytes:x}.");
            }

            takesNoWrite = FileSystemType.Read(file) == FileSystemType.Hugetlbfs;
            extents = new RamFileExtents(file, sizeBytes);
            mapping = MemoryMapping.MapSharedFile(file, sizeBytes);
        }
        catch
        {
            extents?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens the RAM file at a path.</summary>
    /// <param name="path">Path of an existing file.</param>
    /// <param name="sizeBytes">Size of the RAM block; a multiple of the page size, at most that of the file.</param>
    public static RamFileMemory Open(string path, long sizeBytes) => new(OpenFile.ForReadingAndWriting(path), sizeBytes);

    /// <inheritdoc/>
    /// <remarks>A page that the kernel fails (EIO, EHWPOISON) is added to <see cref="GuestMemory.Poisoned"/>.</remarks>
    public override int TryRead(long offset, Span<byte> destination)
    {
        CheckRange(offset, destination.Length);
        // A page that only a marker in the page tables poisons still reads from the file.
        int lengthBytes = Poisoned.ReadableBytes(offset, destination.Length);
        int count = PositionalIo.ReadFully(file, offset, destination[..lengthBytes], out int errno);
        if (count == lengthBytes) return count;
        if (errno is Errno.EIO or Errno.EHWPOISON)
        {
            Poisoned.Add(new((offset + count) >> PageShift, PoisonSource.FailedRead, DateTimeOffset.UtcNow));
            return count;
        }

        throw errno == 0 ? Truncated(offset + count) : Errno.Failure(errno, "pread", Describe(offset, destination.Length));
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckRange(offset, source.Length);
        if (takesNoWrite)
        {
            ProcessMemory.Write(mapping.Address + (nint)offset, source);
            return;
        }

        int done = 0;
        while (done < source.Length)
        {
            int count = PositionalIo.Write(file, offset + done, source[done..]);
            if (count < 0) throw Errno.Failure(-count, "pwrite", Describe(offset + done, source.Length - done));
            if (count == 0) throw Truncated(offset + done);
            done += count;
        }
    }

    /// <inheritdoc/>
    public override Span<byte> ReceiveWindow(long offset, int lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        return mapping.Slice(offset, lengthBytes);
    }

    /// <inheritdoc/>
    public override bool TryFindData(long offset, out long start, out long end)
    {
        CheckRange(offset, 0);
        return extents.TryFind(offset, out start, out end);
    }

    /// <inheritdoc/>
    public override void KeepSmall(long page)
    {
        (long start, long lengthBytes) = PoisonMarker.SurroundingsOf(page, SizeBytes);
        mapping.DeclineLargePages(start, lengthBytes);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        mapping.Dispose();
        extents.Dispose();
        file.Dispose();
    }

    private static string Describe(long offset, int lengthBytes) =>
        string.Create(CultureInfo.InvariantCulture, $"RAM file, 0x{offset:x}, 0x{lengthBytes:x} bytes");

    private static MigrationException Truncated(long offset) => new(
        MigrationErrorReason.InvalidState, $"The RAM file ends at 0x{offset:x}: something shortened it while the VM used it.");
}
