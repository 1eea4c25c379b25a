using System.Net.Sockets;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The socket under TLS. SslStream hands out one record of 16 KiB at a time; held back, the records of a whole page frame leave in a few
/// system calls.
/// </summary>
/// <remarks>One writer and one reader at a time. Nothing is allocated after the first hold.</remarks>
internal sealed class RecordStream(Socket socket) : Stream
{
    private const int HeldBytes = 256 * 1024;

    private byte[]? held;
    private int heldCount;
    private bool isHolding;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Keeps what is written, as far as there is room, until the release.</summary>
    public void Hold()
    {
        held ??= GC.AllocateUninitializedArray<byte>(HeldBytes, pinned: true);
        isHolding = true;
    }

    /// <summary>Sends what was kept.</summary>
    public void Release()
    {
        isHolding = false;
        SendHeld();
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (!isHolding || buffer.Length > HeldBytes)
        {
            SendHeld();
            Send(buffer);
            return;
        }

        if (buffer.Length > HeldBytes - heldCount) SendHeld();
        buffer.CopyTo(held.AsSpan(heldCount));
        heldCount += buffer.Length;
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[await socket.SendAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
            }
        }
        catch (SocketException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return socket.Receive(buffer);
        }
        catch (SocketException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    private void SendHeld()
    {
        if (heldCount == 0) return;
        ReadOnlySpan<byte> bytes = held.AsSpan(0, heldCount);
        heldCount = 0;
        Send(bytes);
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes)..];
        }
        catch (SocketException error)
        {
            throw new IOException(error.Message, error);
        }
    }
}
