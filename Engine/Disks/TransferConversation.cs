using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>
/// One end of a transfer's control connection. A loop of its own reads it, so that waiting for a frame can be given up without tearing one
/// apart. Disposal closes the connection.
/// </summary>
internal sealed class TransferConversation : IAsyncDisposable
{
    private readonly Channel<ControlFrame> received = Channel.CreateBounded<ControlFrame>(16);
    private readonly CancellationTokenSource stop = new();
    private readonly ControlConnection control;
    private readonly Task reading;
    private LinkHeartbeat? heartbeat;

    /// <param name="control">Taken over.</param>
    public TransferConversation(ControlConnection control)
    {
        this.control = control;
        reading = ReadAsync();
    }

    /// <summary>Notices from now on a peer that falls silent.</summary>
    public void StartHeartbeat() => heartbeat ??= new(control);

    /// <summary>Sends one frame whose payload is the message as JSON.</summary>
    public Task SendAsync<T>(FrameType type, T message, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        control.SendAsync(type, message, typeInfo, cancellationToken);

    /// <summary>Sends one frame.</summary>
    public Task SendAsync(FrameType type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
        control.SendAsync(type, payload, cancellationToken);

    /// <summary>Waits for the next frame.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.ConnectionLost"/>, or why what came is no frame.</exception>
    public async Task<ControlFrame> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await received.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is MigrationException reason)
        {
            throw new MigrationException(reason.Reason, reason.Message, reason.RecommendedAction, reason);
        }
    }

    /// <summary>Waits until the peer has closed the connection, for a limited time, and reads past what it still says.</summary>
    public async Task WaitForCloseAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        try
        {
            while (true) await ReceiveAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            // It is closed, or has had its time.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (heartbeat is not null) await heartbeat.DisposeAsync().ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await control.DisposeAsync().ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        stop.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                ControlFrame frame = await control.ReceiveAsync(CancellationToken.None).ConfigureAwait(false);
                if (frame.Type != FrameType.Alive) await received.Writer.WriteAsync(frame, stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException error)
        {
            received.Writer.Complete(new MigrationException(MigrationErrorReason.ConnectionLost, "The conversation was closed here.", null, error));
        }
        catch (MigrationException error)
        {
            received.Writer.Complete(error);
        }
    }
}
