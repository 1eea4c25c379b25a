using System.Numerics;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Joins neighbouring granules to runs, so that the page set is filled by ranges.</summary>
internal ref struct GranuleRun(PageSet written, int pagesPerGranuleShift)
{
    private long start;
    private long end;

    /// <param name="granule">Number of the first of eight granules.</param>
    /// <param name="word">Their marks, the first in the first byte in memory.</param>
    public void Add(long granule, ulong word)
    {
        if (!BitConverter.IsLittleEndian) word = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
        while (word != 0)
        {
            int first = BitOperations.TrailingZeroCount(word) >> 3;
            int count = BitOperations.TrailingZeroCount(~(word >> (first * 8)) & 0x0101010101010101) >> 3;
            if (granule + first != end)
            {
                Flush();
                start = granule + first;
            }

            end = granule + first + count;
            word = first + count >= sizeof(ulong) ? 0 : word >> ((first + count) * 8) << ((first + count) * 8);
        }
    }

    public readonly void Flush()
    {
        if (start == end) return;
        long firstPage = start << pagesPerGranuleShift;
        long lastPage = Math.Min(end << pagesPerGranuleShift, written.PageCount);
        written.AddRange(firstPage, lastPage - firstPage);
    }
}
