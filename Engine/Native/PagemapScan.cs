using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmMigration.Engine.Native;

/// <summary>
/// Finds pages of a process by what the kernel knows of them, and write-protects them in the same step (PAGEMAP_SCAN on
/// /proc/PID/pagemap, Linux 6.7, Documentation/admin-guide/mm/pagemap.rst). One instance is for one thread at a time.
/// </summary>
public sealed unsafe partial class PagemapScan : IDisposable
{
    internal const uint RequestScan = 0xc0606610;

    private const ulong FlagProtectMatching = 1;
    private const ulong FlagCheckAsync = 2;

    private readonly int processId;
    private readonly SafeFileHandle pagemap;
    private readonly int regionCapacity;
    private PageRegion* regions;

    /// <param name="processId">Process to look at.</param>
    /// <param name="regionCapacity">How many regions one step returns at most.</param>
    /// <exception cref="MigrationException">Where /proc/PID/pagemap cannot be opened.</exception>
    public PagemapScan(int processId, int regionCapacity = 4096)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(regionCapacity);
        this.processId = processId;
        this.regionCapacity = regionCapacity;
        pagemap = OpenFile.ForReading(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/pagemap"));
        regions = (PageRegion*)NativeMemory.Alloc((nuint)regionCapacity, (nuint)sizeof(PageRegion));
    }

    /// <summary>
    /// Returns the next written pages and protects them again, as one atomic step per page. The range must be registered for write
    /// protection in asynchronous mode; anything else in it fails with EPERM.
    /// </summary>
    /// <param name="position">Where to start; moved to where the step ended, which is <paramref name="end"/> when all is done.</param>
    /// <param name="end">Address after the last.</param>
    /// <returns>Valid until the next call; empty where nothing was written.</returns>
    public ReadOnlySpan<PageRegion> CollectWritten(ref ulong position, ulong end) => Scan(
        ref position, end, FlagProtectMatching | FlagCheckAsync, inverted: PageCategories.None, mask: PageCategories.Written,
        PageCategories.Written);

    /// <summary>Returns the next pages that have all of <paramref name="wanted"/> and none of <paramref name="unwanted"/>.</summary>
    /// <param name="position">Where to start; moved to where the step ended, which is <paramref name="end"/> when all is done.</param>
    /// <param name="end">Address after the last.</param>
    /// <param name="wanted">Categories a page must have.</param>
    /// <param name="unwanted">Categories a page must not have.</param>
    /// <returns>Valid until the next call.</returns>
    public ReadOnlySpan<PageRegion> Find(ref ulong position, ulong end, PageCategories wanted, PageCategories unwanted) =>
        Scan(ref position, end, flags: 0, inverted: unwanted, mask: wanted | unwanted, wanted);

    /// <summary>Protects every page of the range that is not protected, and reports none.</summary>
    /// <param name="start">First address.</param>
    /// <param name="end">Address after the last.</param>
    public void ProtectAll(ulong start, ulong end)
    {
        var argument = new ScanArgument
        {
            Size = (ulong)sizeof(ScanArgument),
            Flags = FlagProtectMatching | FlagCheckAsync,
            Start = start,
            End = end,
            Mask = (ulong)PageCategories.Written,
            Returned = (ulong)PageCategories.Written,
        };
        Control(ref argument);
        if (argument.WalkEnd != end)
        {
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, $"PAGEMAP_SCAN of process {processId} stopped at 0x{argument.WalkEnd:x}, not 0x{end:x}.");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        pagemap.Dispose();
        NativeMemory.Free(regions);
        regions = null;
    }

    private ReadOnlySpan<PageRegion> Scan(
        ref ulong position, ulong end, ulong flags, PageCategories inverted, PageCategories mask, PageCategories returned)
    {
        ObjectDisposedException.ThrowIf(regions == null, this);
        var argument = new ScanArgument
        {
            Size = (ulong)sizeof(ScanArgument),
            Flags = flags,
            Start = position,
            End = end,
            Vector = (ulong)regions,
            VectorLength = (ulong)regionCapacity,
            Inverted = (ulong)inverted,
            Mask = (ulong)mask,
            Returned = (ulong)returned,
        };
        int count = Control(ref argument);
        if (argument.WalkEnd <= position)
        {
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, $"PAGEMAP_SCAN of process {processId} does not get past 0x{position:x}.");
        }

        position = argument.WalkEnd;
        // SAFETY: the kernel filled this many entries of the vector, which was allocated with regionCapacity of them.
        return new ReadOnlySpan<PageRegion>(regions, count);
    }

    private int Control(ref ScanArgument argument)
    {
        while (true)
        {
            int count;
            // SAFETY: the structure has the kernel's layout (a test checks size and request number); its vector belongs to this instance.
            fixed (ScanArgument* pointer = &argument) count = Control(pagemap, RequestScan, pointer);
            if (count >= 0) return count;
            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EINTR) continue;
            if (errno == Errno.ESRCH)
            {
                throw new SystemCallException(errno, MigrationErrorReason.VmExited, $"Process {processId} ended: it has no memory to scan.");
            }

            throw Errno.Failure(
                errno, "ioctl", $"PAGEMAP_SCAN, process {processId}, 0x{argument.Start:x}-0x{argument.End:x}, flags {argument.Flags}");
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, nuint request, void* argument);

    /// <summary><c>struct pm_scan_arg</c> of linux/fs.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct ScanArgument
    {
        public ulong Size;
        public ulong Flags;
        public ulong Start;
        public ulong End;
        public ulong WalkEnd;
        public ulong Vector;
        public ulong VectorLength;
        public ulong MaxPages;
        public ulong Inverted;
        public ulong Mask;
        public ulong AnyOf;
        public ulong Returned;
    }
}
