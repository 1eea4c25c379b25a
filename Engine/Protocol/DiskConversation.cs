using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Either end of the conversation about a VM's disks. Copying takes minutes in which nobody has anything to say: a loop of its own reads the
/// frames, and a heartbeat notices a peer that is gone.
/// </summary>
internal sealed class DiskConversation : IAsyncDisposable
{
    private static readonly TimeSpan abortLimit = TimeSpan.FromSeconds(2);

    private readonly ControlConnection control;
    private readonly Channel<ControlFrame> received = Channel.CreateBounded<ControlFrame>(4);
    private readonly CancellationTokenSource broken = new();
    private readonly LinkHeartbeat heartbeat;
    private readonly Task reading;

    /// <param name="control">The connection; taken over.</param>
    public DiskConversation(ControlConnection control)
    {
        this.control = control;
        Broken = broken.Token;
        heartbeat = new(control);
        reading = ReadAsync();
    }

    /// <summary>Cancelled once the peer aborted or the connection broke.</summary>
    public CancellationToken Broken { get; }

    /// <summary>Why it is broken; null while it is not.</summary>
    public MigrationException? Failure { get; private set; }

    /// <summary>Sends a frame.</summary>
    public Task SendAsync<T>(FrameType type, T message, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        control.SendAsync(type, message, typeInfo, cancellationToken);

    /// <summary>Sends a frame without payload.</summary>
    public Task SendAsync(FrameType type, CancellationToken cancellationToken) => control.SendAsync(type, default, cancellationToken);

    /// <summary>Waits for the next frame.</summary>
    /// <exception cref="MigrationException">What the peer reports instead, or <see cref="MigrationErrorReason.ConnectionLost"/>.</exception>
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

    /// <summary>Tells the peer why this ends, as far as it listens.</summary>
    public async Task AbortAsync(MigrationException reason)
    {
        if (broken.IsCancellationRequested) return;
        using var limit = new CancellationTokenSource(abortLimit);
        try
        {
            await control.SendAsync(
                FrameType.Abort, FailureMessage.Of(reason), ControlMessages.Default.FailureMessage, limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            // A peer that takes nothing any more notices the end of the connection, which follows.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await heartbeat.DisposeAsync().ConfigureAwait(false);
        await control.DisposeAsync().ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        broken.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                ControlFrame frame = await control.ReceiveAsync(CancellationToken.None).ConfigureAwait(false);
                if (frame.Type == FrameType.Alive) continue;
                if (frame.Type == FrameType.Abort) throw frame.Read(ControlMessages.Default.FailureMessage).ToException();
                if (!received.Writer.TryWrite(frame))
                {
                    throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The other host sends frames nobody asked for.");
                }
            }
        }
        catch (MigrationException error)
        {
            Failure = error;
            received.Writer.Complete(error);
            await broken.CancelAsync().ConfigureAwait(false);
        }
    }
}
