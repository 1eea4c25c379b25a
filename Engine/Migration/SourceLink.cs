using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The source's end of a migration: one control connection, whose frames a loop of its own reads so that a failure of the destination is
/// noticed at any time, and the data connections.
/// </summary>
internal sealed class SourceLink : IAsyncDisposable
{
    // A vCPU waits for one page at a time; the rest is what system calls of the destination's hypervisor touch.
    private const int MaxRequests = 65_536;

    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(30);

    private readonly ControlConnection control;
    private readonly Channel<ControlFrame> received = Channel.CreateBounded<ControlFrame>(16);
    private readonly Channel<long> requests = Channel.CreateBounded<long>(MaxRequests);
    private readonly long pageCount;
    private readonly CancellationTokenSource broken = new();
    private readonly Task reading;
    private List<DataConnection> data = [];
    private LinkHeartbeat? heartbeat;
    private int disposed;

    private SourceLink(ControlConnection control, long memoryBytes)
    {
        this.control = control;
        pageCount = memoryBytes >> GuestMemory.PageShift;
        Broken = broken.Token;
        reading = ReadAsync();
    }

    /// <summary>Cancelled once the destination aborted or the control connection broke.</summary>
    public CancellationToken Broken { get; }

    /// <summary>What the destination said when it aborted; null while it has not.</summary>
    public MigrationException? Aborted { get; private set; }

    /// <summary>The data connections, in the order of their channels.</summary>
    public IReadOnlyList<DataConnection> Data => data;

    /// <summary>The connection for pages the destination asked for; null where there is no post-copy.</summary>
    public DataConnection? Urgent { get; private set; }

    /// <summary>Why the destination refuses post-copy; null where it does not, or was not asked.</summary>
    public string? PostcopyRefused { get; private set; }

    /// <summary>The pages the destination asks for; closed once the control connection broke.</summary>
    public ChannelReader<long> Requests => requests.Reader;

    /// <summary>Connects and agrees on the size of memory and the number of channels.</summary>
    /// <param name="dialer">Where to.</param>
    /// <param name="channels">Data connections to open.</param>
    /// <param name="memoryBytes">Size of the VM's memory.</param>
    /// <param name="postcopy">Whether post-copy may be wanted, which takes one data connection more.</param>
    /// <param name="cancellationToken">Cancels the connecting.</param>
    public static async Task<SourceLink> OpenAsync(
        MigrationDialer dialer, int channels, long memoryBytes, bool postcopy, CancellationToken cancellationToken)
    {
        var link = new SourceLink(
            await dialer.ConnectControlAsync(ConnectionRole.Control, cancellationToken).ConfigureAwait(false), memoryBytes);
        try
        {
            await link.SendStartAsync(channels, memoryBytes, postcopy, cancellationToken).ConfigureAwait(false);
            ControlFrame started = await link.ExpectAsync(FrameType.Started, answerLimit, cancellationToken).ConfigureAwait(false);
            link.PostcopyRefused = started.Read(ControlMessages.Default.StartedMessage).PostcopyRefused;
            bool urgent = postcopy && link.PostcopyRefused is null;
            await link.ConnectDataAsync(dialer, channels, urgent, cancellationToken).ConfigureAwait(false);
            return link;
        }
        catch
        {
            await link.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Takes a broken post-copy up again.</summary>
    /// <returns>The link, and the pages that the destination still misses.</returns>
    public static async Task<(SourceLink Link, PageSet Missing)> RecoverAsync(
        MigrationDialer dialer, int channels, long memoryBytes, CancellationToken cancellationToken)
    {
        var link = new SourceLink(
            await dialer.ConnectControlAsync(ConnectionRole.Recovery, cancellationToken).ConfigureAwait(false),
            memoryBytes);
        try
        {
            await link.SendStartAsync(channels, memoryBytes, postcopy: true, cancellationToken).ConfigureAwait(false);
            PageSet missing = await link.ReceiveMissingAsync(cancellationToken).ConfigureAwait(false);
            await link.ConnectDataAsync(dialer, channels, urgent: true, cancellationToken).ConfigureAwait(false);
            await link.SendAsync(FrameType.Continue, default, cancellationToken).ConfigureAwait(false);
            return (link, missing);
        }
        catch
        {
            await link.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Notices from now on a destination that falls silent.</summary>
    public void StartHeartbeat() => heartbeat ??= new(control);

    public Task SendAsync<T>(FrameType type, T message, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken) =>
        control.SendAsync(type, message, typeInfo, cancellationToken);

    public Task SendAsync(FrameType type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
        control.SendAsync(type, payload, cancellationToken);

    /// <inheritdoc cref="ControlConnection.SendMissingAsync"/>
    public Task SendMissingAsync(PageSet pages, CancellationToken cancellationToken) => control.SendMissingAsync(pages, cancellationToken);

    /// <summary>
    /// Waits for the frame that must come next. The limit is for a destination that hangs: one that is gone is noticed by its connection.
    /// </summary>
    /// <exception cref="MigrationException">
    /// What the destination reports instead, <see cref="MigrationErrorReason.ConnectionLost"/>, or <see cref="MigrationErrorReason.TimedOut"/>.
    /// </exception>
    public async Task<ControlFrame> ExpectAsync(FrameType type, TimeSpan limit, CancellationToken cancellationToken) =>
        (await ReceiveAsync(limit, type.ToString(), cancellationToken).ConfigureAwait(false)).Expect(type);

    /// <summary>Waits for the next frame.</summary>
    /// <param name="limit">For how long; infinite where nothing but the connection bounds it.</param>
    /// <param name="what">What is waited for, as the message names it.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public async Task<ControlFrame> ReceiveAsync(TimeSpan limit, string what, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        try
        {
            return await received.Reader.ReadAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is MigrationException reason)
        {
            throw new MigrationException(reason.Reason, reason.Message, reason.RecommendedAction, reason);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"The destination did not answer with {what} in {limit.TotalSeconds:F0} s.",
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
        Urgent?.Dispose();
    }

    /// <summary>Closes everything; safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0) return;
        CloseData();
        if (heartbeat is not null) await heartbeat.DisposeAsync().ConfigureAwait(false);
        await control.DisposeAsync().ConfigureAwait(false);
        await reading.ConfigureAwait(false);
        broken.Dispose();
    }

    private Task SendStartAsync(int channels, long memoryBytes, bool postcopy, CancellationToken cancellationToken) => SendAsync(
        FrameType.Start, new(channels, memoryBytes, postcopy), ControlMessages.Default.StartMessage, cancellationToken);

    private Task ConnectDataAsync(MigrationDialer dialer, int channels, bool urgent, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            for (int i = 0; i < channels; i++) data.Add(dialer.ConnectData(i, cancellationToken));
            if (urgent) Urgent = dialer.ConnectData(channels, cancellationToken);
        },
        cancellationToken);

    private async Task<PageSet> ReceiveMissingAsync(CancellationToken cancellationToken)
    {
        var missing = new PageSet(pageCount);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(answerLimit);
        while (true)
        {
            ControlFrame frame = await ReceiveAsync(answerLimit, "the pages it misses", limit.Token).ConfigureAwait(false);
            if (frame.Type == FrameType.Missing)
            {
                MissingFrame.Decode(frame.Payload, missing);
                continue;
            }

            long pages = frame.Expect(FrameType.Postcopy).Read(ControlMessages.Default.PostcopyMessage).Pages;
            return pages == missing.Count ? missing : throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The destination misses {pages} pages and named {missing.Count}.");
        }
    }

    /// <summary>Hands a frame to whom it is for; a request the service cannot keep up with holds up no other frame.</summary>
    private async ValueTask TakeAsync(ControlFrame frame)
    {
        switch (frame.Type)
        {
            case FrameType.Alive:
                return;
            case FrameType.Request when MissingFrame.DecodeRequest(frame.Payload, pageCount).All(requests.Writer.TryWrite):
                return;
            case FrameType.Missing:
                await received.Writer.WriteAsync(frame).ConfigureAwait(false);
                return;
            default:
                if (received.Writer.TryWrite(frame)) return;
                throw new MigrationException(MigrationErrorReason.ProtocolViolation, "The destination sends answers to no question.");
        }
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
                    Aborted = frame.Read(ControlMessages.Default.FailureMessage).ToException();
                    throw Aborted;
                }

                await TakeAsync(frame).ConfigureAwait(false);
            }
        }
        catch (MigrationException error)
        {
            received.Writer.Complete(error);
            requests.Writer.Complete();
            await broken.CancelAsync().ConfigureAwait(false);
        }
    }
}
