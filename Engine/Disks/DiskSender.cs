using System.Diagnostics;
using Serilog;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>The source's side of one disk transfer.</summary>
internal sealed class DiskSender : IDisposable
{
    /// <summary>Data connections where the engine is to choose.</summary>
    public const int DefaultChannels = 2;

    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan progressInterval = TimeSpan.FromMilliseconds(250);

    private readonly DiskTransferRequest request;
    private readonly IDiskContents disk;
    private readonly DiskGeneration generation;
    private readonly Func<DiskGeneration> readGeneration;
    private readonly MigrationDialer dialer;
    private readonly DiskTransferStatusFeed feed;
    private readonly ILogger log;
    private readonly DiskTransferCounts counts = new();
    private readonly BandwidthLimit limit;
    private readonly Lock gate = new();
    private DiskSendQueue? queue;
    private TransferConversation? destination;
    private bool suspended;

    /// <param name="request">What was asked for.</param>
    /// <param name="disk">What is copied; stays the caller's.</param>
    /// <param name="generation">The contents that were agreed on.</param>
    /// <param name="readGeneration">Looks whether they are still the same.</param>
    /// <param name="dialer">Where to.</param>
    /// <param name="feed">Told of every change; in <see cref="DiskTransferState.Setup"/>.</param>
    /// <param name="log">The host's log.</param>
    public DiskSender(
        DiskTransferRequest request, IDiskContents disk, DiskGeneration generation, Func<DiskGeneration> readGeneration, MigrationDialer dialer,
        DiskTransferStatusFeed feed, ILogger log)
    {
        this.request = request;
        this.disk = disk;
        this.generation = generation;
        this.readGeneration = readGeneration;
        this.dialer = dialer;
        this.feed = feed;
        this.log = log.ForContext("TransferId", feed.Current.Id);
        limit = new(request.Options.MaxBytesPerSecond, DiskBlockFrame.HeadBytes + DiskBlocks.BlockBytes);
    }

    /// <summary>Runs to the end, whichever way, and throws nothing. Its last status is the feed's.</summary>
    /// <param name="cancel">Stops the transfer; what has arrived is kept as a fragment.</param>
    public async Task<DiskTransferStatus> RunAsync(CancellationToken cancel)
    {
        try
        {
            destination = new(await dialer.ConnectControlAsync(ConnectionRole.DiskControl, cancel).ConfigureAwait(false));
            await SendAsync(destination, cancel).ConfigureAwait(false);
            feed.MoveTo(DiskTransferState.Completed, CountIn);
        }
        catch (Exception error)
        {
            string host = request.Offer.Offer.DestinationHostName;
            MigrationException failure = DiskSenderEnd.Explain(error, cancel.IsCancellationRequested, host);
            Guid? fragment = destination is null
                ? null
                : await DiskSenderEnd.TellAsync(destination, error, failure, log).ConfigureAwait(false);
            log.Warning(error, "The transfer of {Path} ended: {Reason}: {Message}", request.SourcePath, failure.Reason, failure.Message);
            feed.MoveTo(
                failure.Reason == MigrationErrorReason.Cancelled ? DiskTransferState.Cancelled : DiskTransferState.Failed,
                status => CountIn(status) with
                {
                    ErrorReason = failure.Reason,
                    ErrorMessage = failure.Message,
                    RecommendedAction = failure.RecommendedAction,
                    FragmentId = fragment,
                });
        }

        if (destination is not null) await destination.DisposeAsync().ConfigureAwait(false);
        return feed.Current;
    }

    /// <summary>Sends nothing more until it is resumed; what has arrived is made durable.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    public async Task SuspendAsync(CancellationToken cancellationToken)
    {
        TransferConversation? told;
        lock (gate)
        {
            RequireUnended();
            suspended = true;
            queue?.Suspend();

            // Once all is sent there is nothing to hold back.
            if (feed.Current.State == DiskTransferState.Transferring)
            {
                feed.MoveTo(DiskTransferState.Suspended, status => status with { BytesPerSecond = 0 });
            }

            told = queue is null ? null : destination;
        }

        if (told is not null) await told.SendAsync(FrameType.DiskFlush, default, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Goes on; does nothing where it is not suspended.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/> where it has ended.</exception>
    public void Resume()
    {
        lock (gate)
        {
            RequireUnended();
            suspended = false;
            if (feed.Current.State == DiskTransferState.Suspended) feed.MoveTo(DiskTransferState.Transferring);
            queue?.Resume();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => limit.Dispose();

    private async Task SendAsync(TransferConversation told, CancellationToken cancel)
    {
        int channels = request.Options.Channels == 0 ? DefaultChannels : request.Options.Channels;
        await told.SendAsync(
            FrameType.DiskStart, new(channels, disk.SizeBytes, generation), ControlMessages.Default.DiskStartMessage, cancel).ConfigureAwait(false);
        ControlFrame frame = await ReceiveAsync(told, answerLimit, cancel).ConfigureAwait(false);
        if (frame.Type == FrameType.DiskEnded) throw DiskSenderEnd.Of(frame);
        DiskPlanMessage plan = frame.Expect(FrameType.DiskPlan).Read(ControlMessages.Default.DiskPlanMessage);
        if (plan.TrustedBlocks < 0 || plan.TrustedBlocks > new DiskBlocks(disk.SizeBytes).Count)
        {
            throw new MigrationException(
                MigrationErrorReason.ProtocolViolation, $"The destination says that it has {plan.TrustedBlocks} blocks of the disk.");
        }

        told.StartHeartbeat();
        var sending = new DiskSendQueue(disk, plan.TrustedBlocks, plan.ComparesRest);
        Begin(sending);
        await using var threads = new DiskSendThreads(sending, disk, request.Options.Compression, limit, counts);
        await threads.StartAsync(dialer, channels, cancel).ConfigureAwait(false);
        await FollowAsync(told, sending, threads, cancel).ConfigureAwait(false);
        RequireUnchanged();
        PassOnToVerifying();
        await told.SendAsync(FrameType.DiskStore, default, cancel).ConfigureAwait(false);

        // From here on the disk may have its final name: only the destination knows.
        frame = await ReceiveLastWordAsync(told).ConfigureAwait(false);
        if (frame.Type == FrameType.DiskEnded) throw DiskSenderEnd.Of(frame);
        frame.Expect(FrameType.DiskStored);
    }

    private async Task<ControlFrame> ReceiveLastWordAsync(TransferConversation told)
    {
        try
        {
            while (true)
            {
                // A checkpoint that was made beside the last one may still be told.
                ControlFrame frame = await ReceiveAsync(told, answerLimit, CancellationToken.None).ConfigureAwait(false);
                if (frame.Type != FrameType.DiskProgress) return frame;
            }
        }
        catch (MigrationException error) when (error.Reason is MigrationErrorReason.ConnectionLost or MigrationErrorReason.TimedOut)
        {
            throw new MigrationException(
                error.Reason,
                $"All of the disk is at its destination, which did not say whether it is '{request.Offer.DestinationPath}' by now: {error.Message}",
                "Look whether the file is there. If it is not, start the transfer again: it goes on from what has arrived.", error);
        }
    }

    private void Begin(DiskSendQueue sending)
    {
        lock (gate)
        {
            queue = sending;
            feed.MoveTo(DiskTransferState.Transferring);
            if (!suspended) return;
            sending.Suspend();
            feed.MoveTo(DiskTransferState.Suspended);
        }
    }

    /// <summary>Hears what the destination says until the disk is complete there.</summary>
    private async Task FollowAsync(TransferConversation told, DiskSendQueue sending, DiskSendThreads threads, CancellationToken cancel)
    {
        Task<ControlFrame> next = told.ReceiveAsync(cancel);
        long bytesBefore = 0;
        long since = Stopwatch.GetTimestamp();
        while (true)
        {
            await Task.WhenAny(next, threads.Failure, Task.Delay(progressInterval, cancel)).ConfigureAwait(false);
            cancel.ThrowIfCancellationRequested();
            if (next.IsCompleted)
            {
                if (Take(await next.ConfigureAwait(false), sending)) return;
                next = told.ReceiveAsync(cancel);
            }
            else if (threads.Failure.IsCompleted)
            {
                throw await DiskSenderEnd.ExplainAsync(next, await threads.Failure.ConfigureAwait(false)).ConfigureAwait(false);
            }

            TimeSpan elapsed = Stopwatch.GetElapsedTime(since);
            if (elapsed < progressInterval) continue;
            long rate = (long)((counts.SentBytes - bytesBefore) / elapsed.TotalSeconds);
            bytesBefore = counts.SentBytes;
            since = Stopwatch.GetTimestamp();
            Report(sending, rate);
        }
    }

    /// <summary>Acts on a frame; true where it says that the disk is complete.</summary>
    private bool Take(ControlFrame frame, DiskSendQueue sending)
    {
        var blocks = new DiskBlocks(disk.SizeBytes);
        switch (frame.Type)
        {
            case FrameType.DiskDigests:
                (long first, ReadOnlyMemory<byte> digests) = DiskDigestsFrame.Decode(frame.Payload, blocks);
                sending.AddDigests(first, digests);
                return false;
            case FrameType.DiskWanted:
                long block = frame.Read(ControlMessages.Default.DiskWantedMessage).Block;
                if (block < 0 || block >= blocks.Count)
                {
                    throw new MigrationException(MigrationErrorReason.ProtocolViolation, $"The destination asks for block {block} of {blocks.Count}.");
                }

                sending.AddDamaged(block);
                return false;
            case FrameType.DiskProgress:
                long durable = frame.Read(ControlMessages.Default.DiskProgressMessage).DurableOffsetBytes;
                feed.Report(status => status with { DurableOffsetBytes = Math.Clamp(durable, 0, status.SizeBytes) });
                return false;
            case FrameType.DiskEnded:
                throw DiskSenderEnd.Of(frame);
            default:
                string digest = frame.Expect(FrameType.DiskComplete).Read(ControlMessages.Default.DiskCompleteMessage).Digest;
                feed.Report(status => CountIn(status) with { Digest = digest, DoneBytes = status.SizeBytes });
                return true;
        }
    }

    /// <summary>A disk may be complete before anybody looked how far it is, or while it is suspended with nothing left to send.</summary>
    private void PassOnToVerifying()
    {
        lock (gate)
        {
            if (feed.Current.State == DiskTransferState.Suspended) feed.MoveTo(DiskTransferState.Transferring);
            if (feed.Current.State == DiskTransferState.Transferring) feed.MoveTo(DiskTransferState.Verifying);
        }
    }

    private void Report(DiskSendQueue sending, long rate)
    {
        lock (gate)
        {
            feed.Report(status => CountIn(status) with { BytesPerSecond = suspended ? 0 : rate });
            bool isDrained = sending.IsDrained;
            if (feed.Current.State == DiskTransferState.Transferring && isDrained) feed.MoveTo(DiskTransferState.Verifying);
            if (feed.Current.State == DiskTransferState.Verifying && !isDrained) feed.MoveTo(DiskTransferState.Transferring);
        }
    }

    private DiskTransferStatus CountIn(DiskTransferStatus status) => status with
    {
        SentBytes = counts.SentBytes,
        DataBytes = counts.DataBytes,
        ZeroBytes = counts.ZeroBytes,
        UnchangedBytes = counts.UnchangedBytes,
        RepairedBytes = counts.RepairedBytes,
        DoneBytes = Math.Min(
            status.SizeBytes, status.Resumption.OffsetBytes + counts.DataBytes + counts.ZeroBytes + counts.UnchangedBytes),
    };

    private void RequireUnchanged()
    {
        if (readGeneration() == generation) return;
        throw new MigrationException(
            MigrationErrorReason.DiskChanged, $"'{request.SourcePath}' was written while it was copied.",
            "Keep others from writing the disk, and start the transfer again: only blocks that differ are sent.");
    }

    private static async Task<ControlFrame> ReceiveAsync(TransferConversation told, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            return await told.ReceiveAsync(cancellationToken).WaitAsync(patience, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new MigrationException(
                MigrationErrorReason.TimedOut, $"The destination did not answer in {patience.TotalSeconds:F0} s.",
                "Look at the destination host: its engine or its storage hangs.", error);
        }
    }

    private void RequireUnended()
    {
        if (!feed.Current.HasEnded) return;
        throw new MigrationException(
            MigrationErrorReason.InvalidState, $"Transfer {feed.Current.Id} is {feed.Current.State}.",
            "Start a new transfer of the disk: it goes on from what has arrived.");
    }
}
