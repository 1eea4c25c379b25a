using System.Buffers.Binary;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Payloads that name pages without their contents. A <see cref="FrameType.Missing"/> frame holds runs of 16 bytes: first page (u64),
/// number of pages (u64). A <see cref="FrameType.Request"/> frame holds page numbers (u64).
/// </summary>
internal static class MissingFrame
{
    public const int RunBytes = 16;

    /// <summary>Most page numbers in a request.</summary>
    public const int MaxRequests = 1024;

    private const int MaxRuns = FrameHeader.MaxControlPayloadBytes / RunBytes;

    /// <summary>Cuts a set into payloads.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Encode(PageSet pages)
    {
        byte[] payload = new byte[MaxRuns * RunBytes];
        int runs = 0;
        for (long next = 0; pages.TryFindRun(next, pages.PageCount, out long first, out long count); next = first + count)
        {
            BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(runs * RunBytes), first);
            BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan((runs * RunBytes) + 8), count);
            if (++runs < MaxRuns) continue;
            yield return payload;
            runs = 0;
        }

        if (runs > 0) yield return payload.AsMemory(0, runs * RunBytes);
    }

    /// <summary>Adds the pages of a payload to a set.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ProtocolViolation"/> where it holds no whole runs, or one outside guest memory.
    /// </exception>
    public static void Decode(ReadOnlySpan<byte> payload, PageSet pages)
    {
        if (payload.IsEmpty || payload.Length % RunBytes != 0) throw Violation($"a list of missing pages of {payload.Length} bytes");
        for (; !payload.IsEmpty; payload = payload[RunBytes..])
        {
            long first = BinaryPrimitives.ReadInt64LittleEndian(payload);
            long count = BinaryPrimitives.ReadInt64LittleEndian(payload[8..]);
            if (first < 0 || count <= 0 || count > pages.PageCount || first > pages.PageCount - count)
            {
                throw Violation($"{count} missing pages at page {first}");
            }

            pages.AddRange(first, count);
        }
    }

    /// <summary>Writes a request for one page.</summary>
    public static byte[] EncodeRequest(long page)
    {
        byte[] payload = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(payload, page);
        return payload;
    }

    /// <summary>Reads the page numbers of a request.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.ProtocolViolation"/> where it holds none, too many, or one outside guest memory.
    /// </exception>
    public static long[] DecodeRequest(ReadOnlySpan<byte> payload, long pageCount)
    {
        if (payload.IsEmpty || payload.Length % sizeof(long) != 0 || payload.Length > MaxRequests * sizeof(long))
        {
            throw Violation($"a request of {payload.Length} bytes");
        }

        long[] pages = new long[payload.Length / sizeof(long)];
        for (int i = 0; i < pages.Length; i++)
        {
            pages[i] = BinaryPrimitives.ReadInt64LittleEndian(payload[(i * sizeof(long))..]);
            if (pages[i] < 0 || pages[i] >= pageCount) throw Violation($"a request for page {pages[i]}");
        }

        return pages;
    }

    private static MigrationException Violation(string what) =>
        new(MigrationErrorReason.ProtocolViolation, $"The peer sent {what}, which the protocol does not allow.");
}
