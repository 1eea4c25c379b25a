using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Receives the pages of one data connection straight into guest memory, and populates page tables as they arrive. The VM's memory
/// reads as zeros before.
/// </summary>
/// <remarks>Used by one thread. Nothing is allocated per page.</remarks>
internal sealed class PageReceiver(
    GuestMemory memory, PageTablePopulator? populator, Func<bool> isSealed, Func<PagePlacement?> findPlacement)
{
    private readonly byte[] head = GC.AllocateUninitializedArray<byte>(PageFrame.MaxHeadBytes, pinned: true);
    private readonly PageRun[] runs = new PageRun[PageFrame.MaxPages];
    private byte[]? whole;

    // Pages this connection wrote: only those need zeros when a page becomes zero, and only the others need a place in the page tables.
    private readonly PageSet written = new(memory.PageCount);

    /// <summary>Receives until the peer closes the connection in order.</summary>
    /// <exception cref="MigrationException">The connection broke, the peer broke the protocol, or the backing store is full.</exception>
    public void Run(DataConnection connection)
    {
        Span<byte> bytes = head.AsSpan(0, FrameHeader.SizeBytes);
        while (connection.TryReceive(bytes))
        {
            FrameHeader header = FrameHeader.Read(bytes, PageFrame.MaxPayloadBytes);
            switch (header.Type)
            {
                case FrameType.Pages when findPlacement() is { } placement:
                    ReceivePages(connection, header.PayloadBytes, placement);
                    break;
                case FrameType.Pages when !isSealed():
                    ReceivePages(connection, header.PayloadBytes, placement: null);
                    break;
                case FrameType.Flush when header.PayloadBytes == sizeof(ulong):
                    AnswerFlush(connection);
                    break;
                default:
                    throw new MigrationException(
                        MigrationErrorReason.ProtocolViolation, $"A {header.Type} frame of {header.PayloadBytes} bytes came on a data connection.");
            }
        }
    }

    private void ReceivePages(DataConnection connection, int payloadBytes, PagePlacement? placement)
    {
        Span<byte> prologue = head.AsSpan(0, PageFrame.PrologueBytes);
        if (payloadBytes < prologue.Length)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"A page frame of {payloadBytes} bytes is too short.");
        }

        connection.Receive(prologue);
        (long basePage, int runCount) = PageFrame.ReadPrologue(prologue, payloadBytes, memory.PageCount);
        Span<byte> table = head.AsSpan(0, runCount * PageFrame.RunBytes);
        connection.Receive(table);
        Span<PageRun> frameRuns = runs.AsSpan(0, runCount);
        PageFrame.ReadRuns(table, basePage, payloadBytes, memory.PageCount, frameRuns);
        foreach (PageRun run in frameRuns)
        {
            switch (run.Kind)
            {
                case not PageRunKind.Invalid when placement is not null:
                    placement.Receive(connection, run, whole ??= PagePlacement.MakeBuffer());
                    break;
                case PageRunKind.Data:
                    ReceiveData(connection, run);
                    break;
                case PageRunKind.Poisoned:
                    Poison(run);
                    break;
                default:
                    ClearPages(run);
                    PopulateZeros(run);
                    break;
            }
        }
    }

    private void ReceiveData(DataConnection connection, PageRun run)
    {
        if (memory.Poisoned.FindFirst(run.FirstPage, run.FirstPage + run.PageCount) is >= 0 and long poisoned)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The peer sent contents of page {poisoned}, which it had said is poisoned.");
        }

        long offset = run.FirstPage << GuestMemory.PageShift;
        int lengthBytes = run.PageCount << GuestMemory.PageShift;
        connection.ReceiveInto(memory, offset, lengthBytes);
        if (populator is not null && !IsWritten(run)) populator.Populate(offset, lengthBytes);
        written.AddRange(run.FirstPage, run.PageCount);
    }

    private bool IsWritten(PageRun run) =>
        written.TryFindRun(run.FirstPage, run.FirstPage + 1, out _, out _)
        && written.TryFindRun(run.FirstPage, run.FirstPage + run.PageCount, out _, out long count) && count == run.PageCount;

    private void ClearPages(PageRun run)
    {
        long end = run.FirstPage + run.PageCount;
        for (long next = run.FirstPage; written.TryFindRun(next, end, out long first, out long count); next = first + count)
        {
            for (long page = first; page < first + count; page++) memory.Write(page << GuestMemory.PageShift, GuestMemory.ZeroPage);
        }
    }

    private void PopulateZeros(PageRun run)
    {
        // A frame's pages, and so a run's, never reach over the border of a large page.
        long offset = run.FirstPage << GuestMemory.PageShift;
        if (populator is null || !populator.WantsZeros(offset)) return;
        memory.Write(offset, GuestMemory.ZeroPage);
        populator.Populate(offset, GuestMemory.PageSizeBytes);
    }

    /// <summary>The pages are marked in the VM's page tables once all memory is here; what came for them before is dropped.</summary>
    private void Poison(PageRun run)
    {
        ClearPages(run);
        for (long page = run.FirstPage; page < run.FirstPage + run.PageCount; page++)
        {
            memory.Poisoned.Add(new(page, PoisonSource.Carried, DateTimeOffset.UtcNow));
        }
    }

    private void AnswerFlush(DataConnection connection)
    {
        Span<byte> frame = stackalloc byte[FrameHeader.SizeBytes + sizeof(ulong)];
        connection.Receive(frame[FrameHeader.SizeBytes..]);
        new FrameHeader(FrameType.Flushed, sizeof(ulong)).Write(frame);
        connection.Send(frame);
    }
}
