using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>The page table entries of one process (/proc/PID/pagemap). Safe to use from several threads.</summary>
public sealed class Pagemap : IDisposable
{
    private readonly int processId;
    private readonly SafeFileHandle file;

    /// <param name="processId">Process to look at.</param>
    /// <exception cref="MigrationException">Where /proc/PID/pagemap cannot be opened.</exception>
    public Pagemap(int processId)
    {
        this.processId = processId;
        file = OpenFile.ForReading(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/pagemap"));
    }

    /// <summary>Reads the entry of the page at an address.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the process is gone.</exception>
    public PagemapEntry Read(ulong address)
    {
        Span<PagemapEntry> entry = stackalloc PagemapEntry[1];
        Read(address, entry);
        return entry[0];
    }

    /// <summary>Reads the entries of consecutive pages.</summary>
    /// <param name="address">Address of the first page.</param>
    /// <param name="entries">Filled whole.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.VmExited"/> where the process is gone.</exception>
    public void Read(ulong address, Span<PagemapEntry> entries)
    {
        long offset = (long)(address / (ulong)Environment.SystemPageSize) * PagemapEntry.SizeBytes;
        int count = PositionalIo.ReadFully(file, offset, MemoryMarshal.AsBytes(entries), out int errno);
        if (errno is not 0 and not Errno.ESRCH) throw Errno.Failure(errno, "pread", $"/proc/{processId}/pagemap, 0x{offset:x}");
        if (count == entries.Length * PagemapEntry.SizeBytes) return;
        throw new MigrationException(MigrationErrorReason.VmExited, $"Process {processId} ended: it has no page tables to read.");
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
