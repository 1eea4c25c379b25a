using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using ZstdSharp;

namespace VmMigration.Engine.Disks;

/// <summary>Sends what the queue hands out over one data connection: read into the frame behind its head, so that one send carries both.</summary>
/// <remarks>
/// Blocks that the destination has not answered are bounded: buffers on the way may hold many, and all of them are lost where the link breaks.
/// </remarks>
/// <param name="queue">Says what to do.</param>
/// <param name="disk">Where the contents come from.</param>
/// <param name="connection">Used by the calling thread.</param>
/// <param name="maxUnanswered">Most blocks under way on this connection.</param>
/// <param name="compression">Whether contents are compressed.</param>
/// <param name="limit">Shared by all connections.</param>
/// <param name="counts">Counts what is sent.</param>
internal sealed class DiskBlockSender(
    DiskSendQueue queue, IDiskContents disk, DataConnection connection, int maxUnanswered, DiskCompression compression, BandwidthLimit limit,
    DiskTransferCounts counts)
{
    private readonly DiskBlocks blocks = new(disk.SizeBytes);
    private readonly byte[] frame =
        GC.AllocateUninitializedArray<byte>(DiskBlockFrame.HeadBytes + DiskBlocks.BlockBytes, pinned: true);

    private readonly byte[] answer = new byte[FrameHeader.SizeBytes];
    private int unanswered;
    private byte[]? compressed;
    private Compressor? compressor;

    /// <summary>Sends until the queue is closed.</summary>
    /// <exception cref="MigrationException">Where the disk cannot be read or the connection breaks.</exception>
    public void Run(CancellationToken cancellationToken)
    {
        try
        {
            while (queue.TryTake(out DiskSendItem item))
            {
                Send(item, cancellationToken);
                queue.Done();
            }
        }
        finally
        {
            compressor?.Dispose();
        }
    }

    private void Send(DiskSendItem item, CancellationToken cancellationToken)
    {
        if (item.Kind == DiskSendKind.Zeros)
        {
            SendRun(FrameType.DiskZeros, item.First, item.Count, cancellationToken);
            counts.AddZero(blocks.LengthOf(item.First, item.Count));
            return;
        }

        if (item.Kind == DiskSendKind.Same)
        {
            SendRun(FrameType.DiskSame, item.First, item.Count, cancellationToken);
            counts.AddUnchanged(blocks.LengthOf(item.First, item.Count));
            return;
        }

        int length = blocks.LengthOf(item.First);
        Span<byte> contents = frame.AsSpan(DiskBlockFrame.HeadBytes, length);
        disk.Read(DiskBlocks.OffsetOf(item.First), contents);
        bool isZero = contents.IndexOfAnyExcept((byte)0) < 0;
        UInt128 digest = isZero ? blocks.ZeroDigestOf(item.First) : BlockDigests.Of(contents);
        if (item.Kind == DiskSendKind.Compare && digest == item.Expected)
        {
            SendRun(FrameType.DiskSame, item.First, 1, cancellationToken);
            counts.AddUnchanged(length);
        }
        else if (isZero)
        {
            SendRun(FrameType.DiskZeros, item.First, 1, cancellationToken);
            counts.AddZero(length);
        }
        else
        {
            SendBlock(new(item.First, BlockEncoding.Raw, length, digest), contents, cancellationToken);
            if (item.Kind == DiskSendKind.Repair) counts.AddRepaired(length);
            else counts.AddData(length);
        }
    }

    private void SendBlock(DiskBlockHead head, ReadOnlySpan<byte> contents, CancellationToken cancellationToken)
    {
        Span<byte> bytes = frame.AsSpan(0, DiskBlockFrame.HeadBytes + contents.Length);
        if (compression == DiskCompression.Zstd)
        {
            compressed ??= GC.AllocateUninitializedArray<byte>(DiskBlockFrame.HeadBytes + DiskBlocks.BlockBytes, pinned: true);
            compressor ??= new();

            // Room for less than the contents: what does not shrink is no gain.
            Span<byte> room = compressed.AsSpan(DiskBlockFrame.HeadBytes, contents.Length - 1);
            if (compressor.TryWrap(contents, room, out int length))
            {
                head = head with { Encoding = BlockEncoding.Zstd };
                bytes = compressed.AsSpan(0, DiskBlockFrame.HeadBytes + length);
            }
        }

        DiskBlockFrame.WriteBlock(bytes, head, bytes.Length - DiskBlockFrame.HeadBytes);
        while (unanswered >= maxUnanswered) ReceiveAnswer();
        Send(bytes, cancellationToken);
        unanswered++;
    }

    private void ReceiveAnswer()
    {
        connection.Receive(answer);
        FrameHeader header = FrameHeader.Read(answer, maxPayloadBytes: 0);
        if (header.Type != FrameType.DiskPlaced)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The destination sent {header.Type} on a disk's data connection.");
        }

        unanswered--;
    }

    private void SendRun(FrameType type, long first, long count, CancellationToken cancellationToken)
    {
        Span<byte> bytes = stackalloc byte[DiskBlockFrame.RunFrameBytes];
        DiskBlockFrame.WriteRun(bytes, type, first, count);
        Send(bytes, cancellationToken);
    }

    private void Send(ReadOnlySpan<byte> bytes, CancellationToken cancellationToken)
    {
        limit.Wait(bytes.Length, cancellationToken);
        connection.Send(bytes);
        counts.AddSent(bytes.Length);
    }
}
