using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using Xunit;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

/// <summary>
/// The race the trace must win, without the guest programs, which write a place again and again and so cover up for a write that was lost:
/// here every page is written a few times in a row and never again in the same round.
/// </summary>
public sealed class WriteTraceRaceTests
{
    private const int WritesPerPage = 4;

    // Another cache line each: the collector has read it, so the store waits for it while later instructions go on.
    private const int StrideBytes = 64;

    [Theory]
    [InlineData(4096, 3000)]
    [InlineData(8192, 1500)]
    public async Task A_page_that_is_written_once_is_never_lost_to_a_collector_that_never_rests(int granularityBytes, int rounds)
    {
        using var memory = new EmbeddedMemory(4 * MiB);
        using var trace = new SoftwareWriteTrace(memory.SizeBytes, granularityBytes, new TraceSlot(), 1);
        byte[] shadow = new byte[memory.SizeBytes];
        int granted = 0;
        int done = 0;
        Task writer = Task.Factory.StartNew(
            () => WriteRounds(memory, trace, rounds, ref granted, ref done), Cancelled, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        var written = new PageSet(memory.PageCount);
        try
        {
            for (int round = 1; round <= rounds; round++)
            {
                Volatile.Write(ref granted, round);
                while (Volatile.Read(ref done) < round) CopyWritten(memory, trace, written, shadow);
                CopyWritten(memory, trace, written, shadow);
                for (long page = 0; page < memory.PageCount; page++)
                {
                    byte copied = shadow[(page << GuestMemory.PageShift) + ((WritesPerPage - 1) * StrideBytes)];
                    Assert.Equal((round, page, (byte)round), (round, page, copied));
                }
            }
        }
        finally
        {
            Volatile.Write(ref granted, int.MaxValue);
            await writer;
        }
    }

    private static unsafe void WriteRounds(EmbeddedMemory memory, SoftwareWriteTrace trace, int rounds, ref int granted, ref int done)
    {
        TracedWrites mark = trace.Writes;
        for (int round = 1; round <= rounds; round++)
        {
            while (Volatile.Read(ref granted) < round)
            {
            }

            for (long offset = 0; offset < memory.SizeBytes; offset += GuestMemory.PageSizeBytes)
            {
                for (int word = 0; word < WritesPerPage; word++)
                {
                    long at = offset + (word * StrideBytes);
                    *(ulong*)(memory.Start + at) = (byte)round;
                    mark.Wrote(at);
                }
            }

            Volatile.Write(ref done, round);
        }

        GC.KeepAlive(trace);
    }

    private static void CopyWritten(EmbeddedMemory memory, SoftwareWriteTrace trace, PageSet written, byte[] shadow)
    {
        written.Clear();
        trace.CollectAndRearm(written);
        for (long from = 0; written.TryFindRun(from, written.PageCount, out long first, out long count); from = first + count)
        {
            Span<byte> copy = shadow.AsSpan((int)(first << GuestMemory.PageShift), (int)(count << GuestMemory.PageShift));
            Assert.Equal(copy.Length, memory.TryRead(first << GuestMemory.PageShift, copy));
        }
    }
}
