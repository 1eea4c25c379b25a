using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// Maps the pages of a RAM file into the VM's process with UFFDIO_CONTINUE, before the guest touches them (ioctl_userfaultfd(2)).
/// </summary>
/// <remarks>
/// UFFDIO_CONTINUE asks for a registration. A range is registered for minor faults only while it is being mapped: a VM's process that
/// touches it at that moment waits some microseconds, until the range is given back. A registration for write protection would let
/// nobody wait, but its end takes the right to write from every page, and the guest would pay a fault per page after all.
/// </remarks>
public sealed class UserfaultfdPopulator : PageTablePopulator
{
    /// <summary>What the userfaultfd must have been made with, for a file on a tmpfs.</summary>
    public const UserfaultfdFeatures RequiredFeatures = UserfaultfdFeatures.MinorShmem;

    /// <summary>What the userfaultfd must have been made with, for a file on a hugetlbfs.</summary>
    public const UserfaultfdFeatures RequiredFeaturesForHugetlb = UserfaultfdFeatures.MinorHugetlbfs;

    private const int EntriesPerRead = 512;

    private readonly Userfaultfd userfaultfd;
    private readonly ulong address;
    private readonly long sizeBytes;
    private readonly int pageSizeBytes;
    private readonly RamFileExtents extents;
    private readonly Pagemap pagemap;
    private readonly Lock largePage = new();
    private long pages;
    private long elapsedTicks;
    private bool disposed;

    /// <summary>Opens what mapping needs; nothing is mapped or registered yet.</summary>
    /// <param name="userfaultfd">Made inside the VM's process with <see cref="RequiredFeatures"/>; taken over once constructed.</param>
    /// <param name="target">The VM's process; it stays the caller's.</param>
    /// <param name="address">Address of the RAM block in that process, which starts with the file.</param>
    /// <param name="ramFile">The RAM file; it stays the caller's and is opened again.</param>
    /// <param name="sizeBytes">Size of the RAM block in bytes.</param>
    /// <param name="pageSizeBytes">Size of the entries to make: 4 KiB, or that of a hugetlbfs's pages.</param>
    public UserfaultfdPopulator(
        Userfaultfd userfaultfd, PidFd target, ulong address, SafeFileHandle ramFile, long sizeBytes,
        int pageSizeBytes = GuestMemory.PageSizeBytes)
    {
        this.userfaultfd = userfaultfd;
        this.address = address;
        this.sizeBytes = sizeBytes;
        this.pageSizeBytes = pageSizeBytes;
        extents = new RamFileExtents(ramFile, sizeBytes);
        try
        {
            pagemap = new Pagemap(target.ProcessId);
        }
        catch
        {
            extents.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override PopulationStatistics Statistics => new(
        Interlocked.Read(ref pages), Stopwatch.GetElapsedTime(0, Interlocked.Read(ref elapsedTicks)));

    /// <inheritdoc/>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for a range outside the RAM block, <see cref="MigrationErrorReason.VmExited"/>
    /// where the process has ended, or what the system call failed with.
    /// </exception>
    public override void Populate(long offset, long lengthBytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        GuestMemory.CheckRange(offset, lengthBytes, sizeBytes);

        long start = Stopwatch.GetTimestamp();
        long end = (offset + lengthBytes + pageSizeBytes - 1) & ~((long)pageSizeBytes - 1);
        long first = offset & ~((long)pageSizeBytes - 1);
        if (first == end) return;
        long mappedBytes;
        if (pageSizeBytes == GuestMemory.PageSizeBytes)
        {
            mappedBytes = MapRegistered(first, end);
        }
        else
        {
            // Two connections bring parts of one large page: who is done first must not take the range from the other.
            lock (largePage) mappedBytes = MapRegistered(first, end);
        }

        Interlocked.Add(ref pages, mappedBytes >> GuestMemory.PageShift);
        Interlocked.Add(ref elapsedTicks, Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || disposed) return;
        disposed = true;
        userfaultfd.Dispose();
        pagemap.Dispose();
        extents.Dispose();
    }

    private long MapRegistered(long first, long end)
    {
        userfaultfd.Register(address + (ulong)first, (ulong)(end - first), UserfaultfdModes.Minor);
        try
        {
            return MapRange(first, end);
        }
        finally
        {
            userfaultfd.Unregister(address + (ulong)first, (ulong)(end - first));
        }
    }

    private long MapRange(long position, long end)
    {
        long total = 0;
        var spin = new SpinWait();
        while (position < end)
        {
            UserfaultfdOutcome outcome = userfaultfd.Continue(
                address + (ulong)position, (ulong)(end - position), out long mappedBytes);
            position += mappedBytes;
            total += mappedBytes;
            switch (outcome)
            {
                case UserfaultfdOutcome.Again when mappedBytes == 0:
                    // The process is changing its address space this moment.
                    spin.SpinOnce();
                    break;
                case UserfaultfdOutcome.Exists:
                    position = SkipOccupied(position + pageSizeBytes, end);
                    break;
                case UserfaultfdOutcome.NotInFile:
                    // A hole. Where data begins at this very page it arrived just now, and whoever wrote it populates it.
                    if (!extents.TryFindStart(position + pageSizeBytes, out position)) return total;
                    position &= ~((long)pageSizeBytes - 1);
                    break;
            }
        }

        return total;
    }

    /// <summary>Finds the next page whose entry is empty, 512 entries at a time, instead of one system call per mapped page.</summary>
    private long SkipOccupied(long position, long end)
    {
        Span<PagemapEntry> entries = stackalloc PagemapEntry[EntriesPerRead];
        while (position < end)
        {
            Span<PagemapEntry> read = entries[..(int)Math.Min(EntriesPerRead, (end - position) >> GuestMemory.PageShift)];
            pagemap.Read(address + (ulong)position, read);
            foreach (PagemapEntry entry in read)
            {
                // An occupied one may be a marker, which UFFDIO_CONTINUE replaces: pages are marked as poisoned after population only.
                if (entry.IsEmpty) return position & ~((long)pageSizeBytes - 1);
                position += GuestMemory.PageSizeBytes;
            }
        }

        return position;
    }
}
