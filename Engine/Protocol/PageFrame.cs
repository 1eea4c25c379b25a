using System.Buffers.Binary;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Layout of a <see cref="FrameType.Pages"/> payload: base page (u64), run count (u32), zero (u32); per run its first page relative to the
/// base (u32), page count (u16), kind (u16); then the contents of the data runs, in the order of the runs.
/// </summary>
internal static class PageFrame
{
    /// <summary>Most pages in a frame: 1 MiB, the unit that stays on one connection.</summary>
    public const int MaxPages = 256;

    public const int PrologueBytes = 16;
    public const int RunBytes = 8;

    /// <summary>Longest run table with what stands before it, frame header included.</summary>
    public const int MaxHeadBytes = FrameHeader.SizeBytes + PrologueBytes + (MaxPages * RunBytes);

    public const int MaxPayloadBytes = PrologueBytes + (MaxPages * RunBytes) + (MaxPages * GuestMemory.PageSizeBytes);

    /// <summary>Writes frame header, prologue and run table; returns their length.</summary>
    public static int WriteHead(Span<byte> destination, long basePage, ReadOnlySpan<PageRun> runs)
    {
        int dataPages = 0;
        Span<byte> table = destination[(FrameHeader.SizeBytes + PrologueBytes)..];
        foreach (PageRun run in runs)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(table, (uint)(run.FirstPage - basePage));
            BinaryPrimitives.WriteUInt16LittleEndian(table[4..], (ushort)run.PageCount);
            BinaryPrimitives.WriteUInt16LittleEndian(table[6..], (ushort)run.Kind);
            table = table[RunBytes..];
            if (run.Kind == PageRunKind.Data) dataPages += run.PageCount;
        }

        int headBytes = PrologueBytes + (runs.Length * RunBytes);
        new FrameHeader(FrameType.Pages, headBytes + (dataPages * GuestMemory.PageSizeBytes)).Write(destination);
        BinaryPrimitives.WriteInt64LittleEndian(destination[FrameHeader.SizeBytes..], basePage);
        BinaryPrimitives.WriteInt32LittleEndian(destination[(FrameHeader.SizeBytes + 8)..], runs.Length);
        BinaryPrimitives.WriteInt32LittleEndian(destination[(FrameHeader.SizeBytes + 12)..], 0);
        return FrameHeader.SizeBytes + headBytes;
    }

    /// <summary>Reads the prologue; returns the base page and the number of runs.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/> where a field is out of its bounds.</exception>
    public static (long BasePage, int RunCount) ReadPrologue(ReadOnlySpan<byte> prologue, int payloadBytes, long pageCount)
    {
        long basePage = BinaryPrimitives.ReadInt64LittleEndian(prologue);
        uint runCount = BinaryPrimitives.ReadUInt32LittleEndian(prologue[8..]);
        if (basePage < 0 || basePage >= pageCount || runCount is 0 or > MaxPages
            || BinaryPrimitives.ReadUInt32LittleEndian(prologue[12..]) != 0
            || PrologueBytes + (runCount * RunBytes) > payloadBytes)
        {
            throw Violation($"a page frame at page {basePage} with {runCount} runs in {payloadBytes} bytes");
        }

        return (basePage, (int)runCount);
    }

    /// <summary>Reads and checks the run table: ascending, inside guest memory, and exactly as long as the payload says.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ProtocolViolation"/> where a field is out of its bounds.</exception>
    public static void ReadRuns(ReadOnlySpan<byte> table, long basePage, int payloadBytes, long pageCount, Span<PageRun> runs)
    {
        long next = basePage;
        long dataBytes = 0;
        for (int i = 0; i < runs.Length; i++, table = table[RunBytes..])
        {
            long first = basePage + BinaryPrimitives.ReadUInt32LittleEndian(table);
            int count = BinaryPrimitives.ReadUInt16LittleEndian(table[4..]);
            var kind = (PageRunKind)BinaryPrimitives.ReadUInt16LittleEndian(table[6..]);
            if (first < next || count == 0 || first + count > Math.Min(pageCount, basePage + MaxPages)
                || kind is not (PageRunKind.Data or PageRunKind.Zero or PageRunKind.Poisoned))
            {
                throw Violation($"run {i} of a page frame: {count} pages of kind {(ushort)kind} at page {first}");
            }

            runs[i] = new(first, count, kind);
            next = first + count;
            if (kind == PageRunKind.Data) dataBytes += (long)count * GuestMemory.PageSizeBytes;
        }

        if (PrologueBytes + (runs.Length * RunBytes) + dataBytes != payloadBytes)
        {
            throw Violation($"a page frame of {payloadBytes} bytes whose runs hold {dataBytes} bytes");
        }
    }

    private static MigrationException Violation(string what) =>
        new(MigrationErrorReason.ProtocolViolation, $"The peer sent {what}, which the protocol does not allow.");
}
