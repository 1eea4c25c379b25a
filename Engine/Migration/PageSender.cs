using System.Buffers.Binary;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// One data connection's share of a pass: it reads the pages of its chunks, classifies them and sends them. A chunk is always sent by
/// the same sender, so that TCP's order is the order of a page's versions and passes need no barrier between them.
/// </summary>
/// <remarks>Used by one thread at a time. One buffer of a frame's size is its only memory; nothing is allocated per page.</remarks>
/// <param name="memory">The guest's memory.</param>
/// <param name="connection">Where the pages go.</param>
/// <param name="channel">Number of the connection, from 0.</param>
/// <param name="channelCount">How many connections share the memory.</param>
/// <param name="limit">Holds all connections together to the bandwidth limit.</param>
/// <param name="counters">Counts pages and bytes.</param>
/// <param name="sent">What the destination has; null sends every page that is reported, changed or not.</param>
internal sealed class PageSender(
    GuestMemory memory, DataConnection connection, int channel, int channelCount, BandwidthLimit limit, TransferCounters counters,
    SentPages? sent)
{
    // The run table is written backwards from where the data starts, so that head and data leave in one system call.
    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(
        PageFrame.MaxHeadBytes + (PageFrame.MaxPages * GuestMemory.PageSizeBytes), pinned: true);

    private readonly PageRun[] runs = new PageRun[PageFrame.MaxPages];
    private readonly UInt128[] hashes = sent is null ? [] : new UInt128[PageFrame.MaxPages];
    private readonly PoisonSafeReader reader = new(memory, PageFrame.MaxPages);
    private ulong flushes;

    /// <summary>Sends this channel's share of the set.</summary>
    public void SendPass(PageSet pages, CancellationToken cancellationToken)
    {
        for (long chunk = channel; chunk * PageFrame.MaxPages < pages.PageCount; chunk += channelCount)
        {
            long first = chunk * PageFrame.MaxPages;
            if (!pages.TryFindRun(first, first + PageFrame.MaxPages, out _, out _)) continue;
            cancellationToken.ThrowIfCancellationRequested();
            SendChunk(pages, first, cancellationToken);
        }
    }

    /// <summary>Returns once the destination has everything that was sent before in its place.</summary>
    public void Flush()
    {
        Span<byte> frame = stackalloc byte[FrameHeader.SizeBytes + sizeof(ulong)];
        new FrameHeader(FrameType.Flush, sizeof(ulong)).Write(frame);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[FrameHeader.SizeBytes..], ++flushes);
        connection.Send(frame);
        counters.AddBytes(frame.Length);

        connection.Receive(frame);
        FrameHeader header = FrameHeader.Read(frame, sizeof(ulong));
        if (header.Type != FrameType.Flushed || BinaryPrimitives.ReadUInt64LittleEndian(frame[FrameHeader.SizeBytes..]) != flushes)
        {
            throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The peer answered a flush with {header.Type}.");
        }
    }

    /// <summary>
    /// Sends the pages of the set among the <see cref="PageFrame.MaxPages"/> from the base on, of which there is one at least.
    /// </summary>
    public void SendChunk(PageSet pages, long basePage, CancellationToken cancellationToken)
    {
        Span<byte> data = buffer.AsSpan(PageFrame.MaxHeadBytes);
        int runCount = 0;
        int dataPages = 0;
        int zeroPages = 0;
        int unchangedPages = 0;
        long next = basePage;
        while (pages.TryFindRun(next, basePage + PageFrame.MaxPages, out long first, out long count))
        {
            int readFrom = dataPages;
            reader.Read(first, data.Slice(readFrom << GuestMemory.PageShift, (int)count << GuestMemory.PageShift));
            for (int i = 0; i < count; i++)
            {
                if (reader.IsPoisoned(i))
                {
                    AppendPage(first + i, PageRunKind.Poisoned, ref runCount);
                    continue;
                }

                Span<byte> page = Page(data, readFrom + i);
                if (sent is not null && sent.IsUnchanged(first + i, hashes[first + i - basePage] = sent.Hash(page)))
                {
                    unchangedPages++;
                    continue;
                }

                bool zero = !page.ContainsAnyExcept((byte)0);
                AppendPage(first + i, zero ? PageRunKind.Zero : PageRunKind.Data, ref runCount);
                if (zero)
                {
                    zeroPages++;
                    continue;
                }

                // Closes the gap that pages before this one left, which travel without contents or not at all.
                if (dataPages != readFrom + i) page.CopyTo(Page(data, dataPages));
                dataPages++;
            }

            next = first + count;
        }

        counters.AddPages(dataPages, zeroPages, unchangedPages);
        if (runCount == 0) return;
        Span<byte> head = buffer.AsSpan(0, PageFrame.MaxHeadBytes);
        int headBytes = FrameHeader.SizeBytes + PageFrame.PrologueBytes + (runCount * PageFrame.RunBytes);
        PageFrame.WriteHead(head[^headBytes..], basePage, runs.AsSpan(0, runCount));
        int frameBytes = headBytes + (dataPages << GuestMemory.PageShift);
        limit.Wait(frameBytes, cancellationToken);
        connection.Send(buffer.AsSpan(PageFrame.MaxHeadBytes - headBytes, frameBytes));
        counters.AddBytes(frameBytes);
        if (sent is not null) KeepHashes(sent, basePage, runs.AsSpan(0, runCount));
    }

    /// <summary>
    /// Only once the connection has taken a frame is what it holds known as sent; what came without contents counts as never sent.
    /// </summary>
    private void KeepHashes(SentPages sent, long basePage, ReadOnlySpan<PageRun> frame)
    {
        foreach (PageRun run in frame)
        {
            for (long page = run.FirstPage; page < run.FirstPage + run.PageCount; page++)
            {
                if (run.Kind is PageRunKind.Data or PageRunKind.Zero) sent.Keep(page, hashes[page - basePage]);
                else sent.Forget(page);
            }
        }
    }

    private static Span<byte> Page(Span<byte> data, int index) => data.Slice(index << GuestMemory.PageShift, GuestMemory.PageSizeBytes);

    private void AppendPage(long page, PageRunKind kind, ref int runCount)
    {
        if (runCount > 0)
        {
            PageRun last = runs[runCount - 1];
            if (last.Kind == kind && last.FirstPage + last.PageCount == page)
            {
                runs[runCount - 1] = last with { PageCount = last.PageCount + 1 };
                return;
            }
        }

        runs[runCount++] = new(page, 1, kind);
    }
}
