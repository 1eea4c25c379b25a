using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>A disk that arrives as the file it is. It has its full length from the start: what was not written is a hole.</summary>
internal sealed class IncompleteDiskFile : FileDiskContents, IWritableDisk
{
    // A quarter of a second's worth of a fast disk: enough for one request to be worth it, little enough that the storage is never idle.
    private const long WriteBackBytes = 32 << 20;

    private readonly string path;
    private long unstarted;
    private volatile bool cannotPunch;

    private IncompleteDiskFile(string path, SafeFileHandle file, long sizeBytes)
        : base(path, file, sizeBytes)
    {
        this.path = path;
    }

    /// <summary>Opens the file, or makes it, readable by its owner only.</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="sizeBytes">Length of the whole disk.</param>
    /// <exception cref="MigrationException">Where it cannot be opened or made.</exception>
    public static IncompleteDiskFile Open(string path, long sizeBytes)
    {
        SafeFileHandle file = OpenFile.ForReadingAndWritingOrMake(path);
        try
        {
            if (FileStatus.Read(file).SizeBytes != sizeBytes) RandomAccess.SetLength(file, sizeBytes);
            return new(path, file, sizeBytes);
        }
        catch (IOException error)
        {
            file.Dispose();
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace, $"'{path}' cannot get its length of {sizeBytes} bytes: {error.Message}",
                "Choose a file system for the disk that holds files of this size.", error);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Write(long offsetBytes, ReadOnlySpan<byte> contents)
    {
        long offset = offsetBytes;
        for (ReadOnlySpan<byte> left = contents; !left.IsEmpty;)
        {
            int count = PositionalIo.Write(File, offset, left);
            if (count < 0) throw Failure(-count, offset, left.Length);
            left = left[count..];
            offset += count;
        }

        if (Interlocked.Add(ref unstarted, contents.Length) < WriteBackBytes) return;
        Interlocked.Exchange(ref unstarted, 0);
        WriteBack.Start(File, 0, offset);
    }

    /// <inheritdoc/>
    public void WriteZeros(long offsetBytes, long lengthBytes)
    {
        // Taking away what is not there costs the kernel a look; an empty range is an error to it.
        if (lengthBytes == 0) return;
        if (!cannotPunch)
        {
            try
            {
                HolePunch.Punch(File, offsetBytes, lengthBytes);
                return;
            }
            catch (SystemCallException error) when (error.ErrorNumber == Errno.EOPNOTSUPP)
            {
                // Not every file system takes parts out of files (fallocate(2)).
                cannotPunch = true;
            }
        }

        FillWithZeros(offsetBytes, offsetBytes + lengthBytes);
    }

    /// <inheritdoc/>
    public void Sync() => FileSync.Data(File);

    /// <summary>Writes zeros where the file holds data.</summary>
    private void FillWithZeros(long offsetBytes, long endBytes)
    {
        byte[] zeros = new byte[DiskBlocks.BlockBytes];
        for (long offset = offsetBytes; offset < endBytes;)
        {
            DiskExtent extent = FindExtent(offset);
            long end = Math.Min(extent.EndBytes, endBytes);
            for (; !extent.IsZero && offset < end; offset += zeros.Length) Write(offset, zeros.AsSpan(0, (int)Math.Min(zeros.Length, end - offset)));
            offset = end;
        }
    }

    private MigrationException Failure(int errno, long offset, int length) => errno is Errno.ENOSPC or Errno.EDQUOT
        ? new MigrationException(
            MigrationErrorReason.OutOfSpace,
            $"The file system that '{path}' is to lie on is full: writing at {offset} bytes failed ({Errno.Name(errno)}).",
            "Free space there, and start the transfer again: it goes on from what has arrived.")
        : Errno.Failure(errno, "pwrite", $"{path}, 0x{offset:x}+0x{length:x}");
}
