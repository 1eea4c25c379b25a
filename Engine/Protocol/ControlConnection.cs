using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// The conversation of a migration: frames in order, sent by any thread, received by one reader at a time. After disposal, or where
/// the peer is gone, calls fail with <see cref="MigrationErrorReason.ConnectionLost"/>.
/// </summary>
internal sealed class ControlConnection(LinkTransport transport) : IAsyncDisposable
{
    private readonly Stream stream = transport.Stream;
    private readonly SemaphoreSlim sending = new(1, 1);
    private long lastReceivedAt = Stopwatch.GetTimestamp();

    /// <summary>
    /// When the last frame was whole, as a <see cref="Stopwatch"/> timestamp; the time of the connection before the first.
    /// </summary>
    public long LastReceivedAt => Interlocked.Read(ref lastReceivedAt);

    /// <summary>Sends one frame whose payload is the message as JSON.</summary>
    public Task SendAsync<T>(FrameType type, T message, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        SendAsync(type, JsonSerializer.SerializeToUtf8Bytes(message, typeInfo), cancellationToken);

    /// <summary>Sends one frame.</summary>
    public async Task SendAsync(FrameType type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        int length = FrameHeader.SizeBytes + payload.Length;
        byte[] frame = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            new FrameHeader(type, payload.Length).Write(frame);
            payload.CopyTo(frame.AsMemory(FrameHeader.SizeBytes));
            await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await stream.WriteAsync(frame.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (LinkTransport.IsBroken(error))
            {
                throw Lost(error);
            }
            finally
            {
                sending.Release();
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Names missing pages, in as many frames as it takes.</summary>
    public async Task SendMissingAsync(PageSet pages, CancellationToken cancellationToken)
    {
        foreach (ReadOnlyMemory<byte> payload in MissingFrame.Encode(pages))
        {
            await SendAsync(FrameType.Missing, payload, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Receives one frame; its payload is at most <see cref="FrameHeader.MaxControlPayloadBytes"/>.</summary>
    public async Task<ControlFrame> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            byte[] head = new byte[FrameHeader.SizeBytes];
            await stream.ReadExactlyAsync(head, cancellationToken).ConfigureAwait(false);
            FrameHeader header = FrameHeader.Read(head, FrameHeader.MaxControlPayloadBytes);
            byte[] payload = header.PayloadBytes == 0 ? [] : new byte[header.PayloadBytes];
            await stream.ReadExactlyAsync(payload, cancellationToken).ConfigureAwait(false);
            Interlocked.Exchange(ref lastReceivedAt, Stopwatch.GetTimestamp());
            return new(header.Type, payload);
        }
        catch (Exception error) when (LinkTransport.IsBroken(error))
        {
            throw Lost(error);
        }
    }

    /// <summary>
    /// Waits until the peer has closed the connection, and reads past what it still says. False where it broke, or the peer did not close it
    /// in time.
    /// </summary>
    public async Task<bool> WaitForCloseAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        try
        {
            while (true) await ReceiveAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (MigrationException ended)
        {
            // A socket that is closed while it waits for a frame resets its connection.
            return ended.InnerException is EndOfStreamException
                || (ended.InnerException as SocketException ?? ended.InnerException?.InnerException as SocketException)
                    is { SocketErrorCode: SocketError.ConnectionReset };
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    public ValueTask DisposeAsync()
    {
        transport.Dispose();
        return ValueTask.CompletedTask;
    }

    private static MigrationException Lost(Exception cause) =>
        new(MigrationErrorReason.ConnectionLost, "The control connection to the other host broke.", null, cause);
}
