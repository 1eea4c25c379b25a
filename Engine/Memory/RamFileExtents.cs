using System.Globalization;
using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Memory;

/// <summary>
/// The data extents of a RAM file, from an open file description of its own, because seeking moves a shared position. Safe to use from
/// several threads.
/// </summary>
internal sealed class RamFileExtents : IDisposable
{
    private readonly SafeFileHandle file;
    private readonly long sizeBytes;
    private readonly Lock seeking = new();
    private long knownStart;
    private long knownEnd;

    /// <param name="file">Any descriptor of the file; it is opened again through /proc/self/fd.</param>
    /// <param name="sizeBytes">What lies beyond is ignored.</param>
    public RamFileExtents(SafeFileHandle file, long sizeBytes)
    {
        this.sizeBytes = sizeBytes;
        using var reference = new DescriptorReference(file);
        this.file = OpenFile.ForReading(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{reference.Descriptor}"));
    }

    /// <summary>Finds the next extent of data, both ends page-aligned.</summary>
    public bool TryFind(long offset, out long start, out long end)
    {
        lock (seeking)
        {
            // tmpfs walks every page of an extent to find its end: without memory of the last one, asking for each chunk of a large
            // extent would take quadratic time. Data does not turn back into a hole by being written, so an old answer stays safe.
            if (offset < knownStart || offset >= knownEnd)
            {
                if (offset >= sizeBytes || !Lseek.TryFindData(file, offset, out long data) || data >= sizeBytes)
                {
                    start = end = sizeBytes;
                    return false;
                }

                knownStart = data & ~(long)(GuestMemory.PageSizeBytes - 1);
                long hole = Math.Min(Lseek.FindHole(file, data), sizeBytes);
                knownEnd = (hole + GuestMemory.PageSizeBytes - 1) & ~(long)(GuestMemory.PageSizeBytes - 1);
            }

            start = Math.Max(offset & ~(long)(GuestMemory.PageSizeBytes - 1), knownStart);
            end = knownEnd;
            return true;
        }
    }

    /// <summary>Finds the next byte of data at or after <paramref name="offset"/>, without looking for the extent's end.</summary>
    public bool TryFindStart(long offset, out long start)
    {
        lock (seeking)
        {
            start = sizeBytes;
            return offset < sizeBytes && Lseek.TryFindData(file, offset, out start) && start < sizeBytes;
        }
    }

    public void Dispose() => file.Dispose();
}
