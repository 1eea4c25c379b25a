using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The source's end of a migration: one control connection, whose frames a loop of its own reads so that a failure of the destination is
/// noticed at any time, and the data connections.
/// </summary>
internal sealed class SourceLink : IAsyncDisposable
{
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(30);

    private readonly ControlConnection control;
    private readonly Channel<ControlFrame> received = Channel.CreateBounded<ControlFrame>(16);
    private readonly CancellationTokenSource broken = new();
    private readonly Task reading;
    private List<DataConnection> data = [];

    private SourceLink(ControlConnection control)
    {
        this.control = control;
        Broken = broken.Token;
        reading = ReadAsync();
    }

    /// <summary>Cancelled once the destination aborted or the control connection broke.</summary>
    public CancellationToken Broken { get; }

    /// <summary>What the destination said when it aborted; null while it has not.</summary>
    public MigrationException? Aborted { get; private set; }

    /// <summary>The data connections, in the order of their channels.</summary>
    public IReadOnlyList<DataConnection> Data => data;

    /// <summary>Connects and agrees on the size of memory and the number of channels.</summary>
    public static async Task<SourceLink> OpenAsync(
        IncomingOffer offer, int channels, long memoryBytes, CancellationToken cancellationToken)
    {
        var link = new SourceLink(await MigrationDialer.ConnectControlAsync(offer, cancellationToken).ConfigureAwait(false));
        try
        {
            await link.SendAsync(
                FrameType.Start, new(channels, memoryBytes), ControlMessages.Default.StartMessage, cancellationToken).ConfigureAwait(false);
            await link.ExpectAsync(FrameType.Started, answerLimit, cancellationToken).ConfigureAwait(false);
            await Task.Run(
                () =>
                {
                    for (int i = 0; i < channels; i++) link.data.Add(MigrationDialer.ConnectData(offer, i, cancellationToken));
                },
                cancellationToken).ConfigureAwait(false);
            return link;
        }
        catch
        {
            await link.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public Task SendAsync<T>(FrameType type, T message, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        control.SendAsync(type, message, typeInfo, cancellationToken);

    public Task SendAsync(FrameType type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
        control.SendAsync(type, payload, cancellationToken);

    /// <summary>
    /// Waits for the frame that must come next. The limit is for a destination that hangs: one that is gone is noticed by its connection.
    /// </summary>
    /// <exception cref="MigrationException">
    /// What the destination reports instead, <see cref="MigrationErrorReason.ConnectionLost"/>, or <see cref="MigrationErrorReason.TimedOut"/>.
    /// </exception>
    public async Task<ControlFrame> ExpectAsync(FrameType type, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        try
        {
            return (await received.Reader.ReadAsync(deadline.Token).ConfigureAwait(false)).Expect(type);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is MigrationException reason)
        {
            throw new MigrationException(reason.Reason, reason.Message, reason.RecommendedAction, reason);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"The destination did not answer with {type} in {limit.TotalSeconds:F0} s.",
                "Look at the destination host: its engine or its hypervisor hangs.", error);
        }
    }

    /// <summary>
    /// Why the destination ended the conversation: data connections break a moment before or after the control frame that says why, so
    /// this waits for it, at most <paramref name="patience"/>. Null where the control connection still stands.
    /// </summary>
    public async Task<MigrationException?> FindFailureAsync(TimeSpan patience)
    {
        await reading.WaitAsync(patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return reading.IsCompleted ? received.Reader.Completion.Exception?.InnerException as MigrationException : null;
    }

    /// <summary>Closes the data connections, which ends sends under way.</summary>
    public void CloseData()
    {
        foreach (DataConnection connection in data) connection.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        CloseData();
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
                if (frame.Type == FrameType.Abort)
                {
                    FailureMessage failure = frame.Read(ControlMessages.Default.FailureMessage);
                    Aborted = new(failure.Reason, failure.Message, failure.RecommendedAction);
                    throw Aborted;
                }

                if (!received.Writer.TryWrite(frame))
                {
                    throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The destination sends answers to no question.");
                }
            }
        }
        catch (MigrationException error)
        {
            received.Writer.Complete(error);
            await broken.CancelAsync().ConfigureAwait(false);
        }
    }
}
