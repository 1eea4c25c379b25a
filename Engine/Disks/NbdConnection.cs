using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>
/// One connection to an NBD server, past its handshake. Calls block, and one thread at a time may use it. After an error of the connection
/// or of the protocol no other call is answered; an error of the storage leaves it usable.
/// </summary>
internal sealed class NbdConnection : IDisposable
{
    // The NBD protocol lets every server refuse longer reads and writes.
    private const int MaxTransferBytes = 32 << 20;
    private const int MaxStatusBytes = 64 << 10;
    private const int MaxMessageBytes = 4096;
    private const int NoSpace = 28;

    private readonly Socket socket;
    private readonly string name;
    private readonly uint contextId;
    private readonly byte[] head = new byte[NbdWire.RequestBytes];
    private readonly byte[] payload = new byte[MaxStatusBytes];
    private ulong cookie;

    /// <param name="socket">Connected, its handshake done; taken over.</param>
    /// <param name="export">What the handshake agreed on.</param>
    /// <param name="name">The image, for messages.</param>
    public NbdConnection(Socket socket, NbdExport export, string name)
    {
        this.socket = socket;
        this.name = name;
        contextId = export.ContextId;
        Export = export;
    }

    /// <summary>What the server offers.</summary>
    public NbdExport Export { get; }

    /// <summary>Fills the buffer.</summary>
    /// <exception cref="MigrationException">Where the storage or the connection fails.</exception>
    public void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int length = Math.Min(buffer.Length, MaxTransferBytes);
            Request(NbdWire.CommandRead, offset, (uint)length);
            ReceiveRead(offset, buffer[..length]);
            buffer = buffer[length..];
            offset += length;
        }
    }

    /// <summary>Writes all bytes.</summary>
    /// <exception cref="MigrationException">As <see cref="Read"/>; <see cref="MigrationErrorReason.OutOfSpace"/>.</exception>
    public void Write(long offset, ReadOnlySpan<byte> contents)
    {
        while (!contents.IsEmpty)
        {
            int length = Math.Min(contents.Length, MaxTransferBytes);
            Request(NbdWire.CommandWrite, offset, (uint)length);
            Send(contents[..length]);
            ReceiveDone("write", offset, length);
            contents = contents[length..];
            offset += length;
        }
    }

    /// <summary>Makes a part read as zeros.</summary>
    public void WriteZeros(long offset, uint length)
    {
        Request(NbdWire.CommandWriteZeroes, offset, length);
        ReceiveDone("write of zeros", offset, length);
    }

    /// <summary>Returns once all that was written over any connection, and answered, is on the storage.</summary>
    public void Flush()
    {
        Request(NbdWire.CommandFlush, 0, 0);
        ReceiveDone("flush", 0, 0);
    }

    /// <summary>The first extents of a part, one or more.</summary>
    /// <param name="offset">Where the part begins.</param>
    /// <param name="length">Its length; the answer may end before it or, in its last extent, behind it.</param>
    /// <param name="extents">Cleared and filled.</param>
    public void FindExtents(long offset, uint length, List<DiskExtent> extents)
    {
        extents.Clear();
        Request(NbdWire.CommandBlockStatus, offset, length);
        MigrationException? failure = null;
        bool isDone = false;
        while (!isDone)
        {
            Chunk chunk = ReceiveChunk("block status", offset, length, ref failure);
            isDone = chunk.IsDone;
            if (chunk.Type != NbdWire.ChunkBlockStatus) continue;
            if (chunk.Length < 4 + NbdWire.StatusDescriptorBytes || chunk.Length > payload.Length) throw Violation(chunk);
            Span<byte> answer = payload.AsSpan(0, chunk.Length);
            Receive(answer);
            if (BinaryPrimitives.ReadUInt32BigEndian(answer) != contextId) continue;
            long at = offset;
            for (answer = answer[4..]; answer.Length >= NbdWire.StatusDescriptorBytes; answer = answer[NbdWire.StatusDescriptorBytes..])
            {
                uint bytes = BinaryPrimitives.ReadUInt32BigEndian(answer);
                if (bytes == 0) throw Violation(chunk);
                extents.Add(new(at, bytes, (BinaryPrimitives.ReadUInt32BigEndian(answer[4..]) & NbdWire.StateZero) != 0));
                at += bytes;
            }
        }

        if (failure is not null) throw failure;
        if (extents.Count == 0) throw Violation("an answer that does not cover what was asked for");
    }

    /// <summary>Tells the server that it is the end, if it still listens, and closes.</summary>
    public void Dispose()
    {
        try
        {
            Request(NbdWire.CommandDisconnect, 0, 0);
        }
        catch (MigrationException)
        {
            // The server is gone: then it has nothing to be told.
        }

        socket.Dispose();
    }

    private void Request(ushort command, long offset, uint length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(head, NbdWire.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(4), 0);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(8), ++cookie);
        BinaryPrimitives.WriteInt64BigEndian(head.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(24), length);
        Send(head);
    }

    private void ReceiveRead(long offset, Span<byte> buffer)
    {
        MigrationException? failure = null;
        long filled = 0;
        bool isDone = false;
        while (!isDone)
        {
            Chunk chunk = ReceiveChunk("read", offset, buffer.Length, ref failure);
            isDone = chunk.IsDone;
            if (chunk.Type == NbdWire.ChunkOffsetData)
            {
                Span<byte> part = Part(chunk, offset, chunk.Length - 8, buffer);
                Receive(part);
                filled += part.Length;
            }
            else if (chunk.Type == NbdWire.ChunkOffsetHole && chunk.Length == 12)
            {
                Span<byte> part = Part(chunk, offset, null, buffer);
                part.Clear();
                filled += part.Length;
            }
            else if (chunk.Type != NbdWire.ChunkNone)
            {
                throw Violation(chunk);
            }
        }

        if (failure is not null) throw failure;
        if (filled != buffer.Length) throw Violation("an answer that does not cover what was asked for");
    }

    /// <summary>The part of the buffer that a chunk is for; the length of a hole follows its offset.</summary>
    private Span<byte> Part(Chunk chunk, long offset, long? lengthBytes, Span<byte> buffer)
    {
        if (chunk.Length < 8) throw Violation(chunk);
        Span<byte> place = payload.AsSpan(0, lengthBytes is null ? 12 : 8);
        Receive(place);
        long start = BinaryPrimitives.ReadInt64BigEndian(place) - offset;
        long length = lengthBytes ?? BinaryPrimitives.ReadUInt32BigEndian(place[8..]);
        if (start < 0 || start > buffer.Length || length <= 0 || length > buffer.Length - start) throw Violation(chunk);
        return buffer.Slice((int)start, (int)length);
    }

    private void ReceiveDone(string operation, long offset, long length)
    {
        MigrationException? failure = null;
        while (true)
        {
            Chunk chunk = ReceiveChunk(operation, offset, length, ref failure);
            if (chunk.Type != NbdWire.ChunkNone) throw Violation(chunk);
            if (!chunk.IsDone) continue;
            if (failure is not null) throw failure;
            return;
        }
    }

    /// <summary>Receives the head of a reply; an error is taken whole, and counts as a chunk with nothing in it.</summary>
    private Chunk ReceiveChunk(string operation, long offset, long length, ref MigrationException? failure)
    {
        Span<byte> reply = head.AsSpan(0, NbdWire.StructuredReplyBytes);
        Receive(reply[..NbdWire.SimpleReplyBytes]);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(reply);
        if (magic == NbdWire.SimpleReplyMagic)
        {
            RequireCookie(BinaryPrimitives.ReadUInt64BigEndian(reply[8..]));
            uint error = BinaryPrimitives.ReadUInt32BigEndian(reply[4..]);
            if (error != 0) failure ??= Failure(operation, offset, length, error, "");
            return new(NbdWire.ChunkNone, true, 0);
        }

        if (magic != NbdWire.StructuredReplyMagic) throw Violation($"a reply with magic 0x{magic:x8}");
        Receive(reply[NbdWire.SimpleReplyBytes..]);
        RequireCookie(BinaryPrimitives.ReadUInt64BigEndian(reply[8..]));
        var chunk = new Chunk(
            BinaryPrimitives.ReadUInt16BigEndian(reply[6..]), (BinaryPrimitives.ReadUInt16BigEndian(reply[4..]) & NbdWire.ChunkDone) != 0,
            (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(reply[16..]), int.MaxValue));
        if ((chunk.Type & NbdWire.ChunkErrorBit) == 0)
        {
            return chunk.Type == NbdWire.ChunkNone && chunk.Length != 0 ? throw Violation(chunk) : chunk;
        }

        if (chunk.Length is < 6 or > MaxMessageBytes) throw Violation(chunk);
        Span<byte> words = payload.AsSpan(0, chunk.Length);
        Receive(words);
        int count = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(words[4..]), words.Length - 6);
        failure ??= Failure(operation, offset, length, BinaryPrimitives.ReadUInt32BigEndian(words), Encoding.UTF8.GetString(words.Slice(6, count)));
        return new(NbdWire.ChunkNone, chunk.IsDone, 0);
    }

    private void RequireCookie(ulong answered)
    {
        if (answered != cookie) throw Violation($"an answer to request {answered} where that to {cookie} is next");
    }

    private MigrationException Failure(string operation, long offset, long length, uint error, string words)
    {
        string what = $"'{name}': the {operation} of {length} bytes at {offset} failed with {Errno.Name((int)error)}"
            + (words.Length == 0 ? "." : $": {words}.");
        return error == NoSpace
            ? new(MigrationErrorReason.OutOfSpace, what, "Free space there, and start the transfer again: it goes on from what has arrived.")
            : new(MigrationErrorReason.SystemCallFailed, what, "See with 'qemu-img check' whether the image is damaged, and whether its storage is healthy.");
    }

    private MigrationException Violation(Chunk chunk) => Violation($"a chunk of type {chunk.Type} with {chunk.Length} bytes where it has no place");

    private MigrationException Violation(string what) => new(
        MigrationErrorReason.ProtocolViolation, $"'{name}': qemu-nbd sent {what}.", "Use qemu-nbd of QEMU 5.0 or later.");

    private void Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw Gone(error);
        }
    }

    private void Receive(Span<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                int count = socket.Receive(bytes);
                if (count == 0) throw Gone(null);
                bytes = bytes[count..];
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw Gone(error);
        }
    }

    private MigrationException Gone(Exception? error) => new(
        MigrationErrorReason.SystemCallFailed, $"'{name}': qemu-nbd, which reads and writes what is inside, has ended.",
        "Look into the system's log for why it ended, and start the transfer again: it goes on from what has arrived.", error);

    private readonly record struct Chunk(ushort Type, bool IsDone, int Length);
}
