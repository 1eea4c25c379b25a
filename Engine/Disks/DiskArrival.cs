using System.Threading.Channels;
using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>
/// One disk while it arrives: the conversation with its source, the data connections, and what is read of it meanwhile. Disposal ends all
/// threads, and records what is there for good.
/// </summary>
internal sealed class DiskArrival : IAsyncDisposable
{
    /// <summary>Most data connections.</summary>
    public const int MaxChannels = 16;

    private const int MaxAttempts = 4;

    private readonly IncompleteDiskPlace place;
    private readonly DiskBlocks blocks;
    private readonly IWritableDisk disk;
    private readonly DiskDigestFile digests;
    private readonly TransferConversation source;
    private readonly ILogger log;
    private readonly BlockLedger ledger;
    private readonly DiskCheckpoints checkpoints;
    private readonly ArrivingConnections connections;
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<MigrationException> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<long> wanted = Channel.CreateUnbounded<long>();
    private readonly Dictionary<long, int> attempts = [];
    private readonly List<Task> running = [];
    private volatile DiskVerification? verification;

    public DiskArrival(
        IncompleteDiskPlace place, DiskBlocks blocks, IWritableDisk disk, DiskDigestFile digests, IIncompleteDisks store, int channels,
        TransferConversation source, ILogger log)
    {
        this.place = place;
        this.blocks = blocks;
        this.disk = disk;
        this.digests = digests;
        this.source = source;
        this.log = log;
        ledger = new(blocks.Count);
        checkpoints = new(place.TransferId, blocks, disk, digests, ledger, store);
        connections = new(channels);
    }

    /// <summary>Reserves a data connection; false where there is one of that number already, or none is expected.</summary>
    public bool TryClaim(int channel) => connections.TryClaim(channel);

    /// <summary>Receives blocks over a data connection, on the calling thread, until it or the transfer ends. Throws nothing.</summary>
    public void Receive(DataConnection connection)
    {
        if (!connections.TryAdd(connection)) return;
        try
        {
            new DiskBlockReceiver(connection, blocks, disk, digests, ledger, WasTold, AskAgain).Run();
        }
        catch (MigrationException error)
        {
            failure.TrySetResult(error);
        }
        catch (Exception error)
        {
            failure.TrySetResult(new(MigrationErrorReason.DestinationFailed, $"Blocks could not be received: {error.Message}", null, error));
        }
        finally
        {
            connections.Remove(connection);
        }
    }

    /// <summary>Runs until every block is in place, verified and synced, and the source has said that the disk is to be stored.</summary>
    /// <returns>What stands for the whole disk, 32 hexadecimal digits.</returns>
    /// <exception cref="MigrationException">Why it does not arrive.</exception>
    public async Task<string> RunAsync(CancellationToken withdraw)
    {
        DiskPlanMessage plan = MakePlan();
        ledger.Place(0, plan.TrustedBlocks);
        await source.SendAsync(FrameType.DiskPlan, plan, ControlMessages.Default.DiskPlanMessage, withdraw).ConfigureAwait(false);
        source.StartHeartbeat();
        StartReading(plan);
        running.Add(WatchAsync(checkpoints.RunAsync(TellProgressAsync, stop.Token)));
        running.Add(WatchAsync(AskAgainAsync()));
        Task<ControlFrame> word = ListenAsync(withdraw);
        await WaitAsync(ledger.Complete, word).ConfigureAwait(false);

        await Task.Run(checkpoints.Make, withdraw).ConfigureAwait(false);
        string digest = checkpoints.FoldAll();
        await TellProgressAsync().ConfigureAwait(false);
        await source.SendAsync(FrameType.DiskComplete, new(digest), ControlMessages.Default.DiskCompleteMessage, withdraw).ConfigureAwait(false);
        (await word.ConfigureAwait(false)).Expect(FrameType.DiskStore);
        return digest;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        await connections.CloseAsync().ConfigureAwait(false);
        await Task.WhenAll(running).ConfigureAwait(false);
        try
        {
            await Task.Run(checkpoints.Make).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            // The record of before still holds; what lies behind its offset is compared the next time.
            log.Warning(error, "What arrived last of disk {Path} was not recorded", place.DestinationPath);
        }

        stop.Dispose();
    }

    private DiskPlanMessage MakePlan() => place.Resumption.Kind switch
    {
        DiskResumptionKind.Continued => new(BlockDigests.CountBefore(place.Resumption.OffsetBytes, blocks.SizeBytes), true),
        DiskResumptionKind.Compared => new(0, true),
        _ => new(0, false),
    };

    private void StartReading(DiskPlanMessage plan)
    {
        if (plan is { TrustedBlocks: 0, ComparesRest: false })
        {
            ledger.EndVerification();
            return;
        }

        var compared = Channel.CreateUnbounded<(long First, long End)>();
        var reading = new DiskVerification(disk, blocks, digests, ledger);
        verification = reading;
        running.Add(WatchAsync(Task.Factory.StartNew(
            () => reading.Run(plan.TrustedBlocks, plan.ComparesRest, compared.Writer, AskAgain, stop.Token),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        running.Add(WatchAsync(TellDigestsAsync(compared.Reader)));
    }

    private bool WasTold(long first, long count) => verification?.HasCompared(first, count) ?? false;

    private async Task TellDigestsAsync(ChannelReader<(long First, long End)> compared)
    {
        await foreach ((long first, long end) in compared.ReadAllAsync(stop.Token).ConfigureAwait(false))
        {
            await source.SendAsync(FrameType.DiskDigests, DiskDigestsFrame.Encode(first, digests.Bytes(first, end)), stop.Token)
                .ConfigureAwait(false);
        }
    }

    private Task TellProgressAsync() => source.SendAsync(
        FrameType.DiskProgress, new(checkpoints.DurableOffsetBytes), ControlMessages.Default.DiskProgressMessage, stop.Token);

    private void AskAgain(long block)
    {
        lock (attempts)
        {
            int attempt = attempts[block] = attempts.GetValueOrDefault(block) + 1;
            if (attempt >= MaxAttempts)
            {
                failure.TrySetResult(new(
                    MigrationErrorReason.DiskMismatch,
                    $"The block at {DiskBlocks.OffsetOf(block)} bytes of '{place.DestinationPath}' arrived damaged {attempt} times.",
                    "Look for faulty memory or storage on both hosts, and for what changes data on the network between them; use TLS."));
                return;
            }
        }

        log.Warning("The block at {Offset} bytes of {Path} is damaged and is asked for again", DiskBlocks.OffsetOf(block), place.DestinationPath);
        wanted.Writer.TryWrite(block);
    }

    private async Task AskAgainAsync()
    {
        await foreach (long block in wanted.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
        {
            await source.SendAsync(FrameType.DiskWanted, new(block), ControlMessages.Default.DiskWantedMessage, stop.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Reads what the source says, until its last word.</summary>
    private async Task<ControlFrame> ListenAsync(CancellationToken withdraw)
    {
        while (true)
        {
            ControlFrame frame = await source.ReceiveAsync(withdraw).ConfigureAwait(false);
            if (frame.Type != FrameType.DiskFlush) return frame;
            if (await Task.Run(checkpoints.Make, withdraw).ConfigureAwait(false)) await TellProgressAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Waits for the end of the arrival, unless something fails or the source ends it.</summary>
    private async Task WaitAsync(Task arrived, Task<ControlFrame> word)
    {
        Task first = await Task.WhenAny(arrived, failure.Task, word).ConfigureAwait(false);
        if (first == failure.Task)
        {
            // A connection that breaks says less than the source's last word, which comes a moment before or after it.
            MigrationException error = await failure.Task.ConfigureAwait(false);
            if (error.Reason != MigrationErrorReason.ConnectionLost) throw error;
            await Task.WhenAny(word, Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None)).ConfigureAwait(false);
            if (!word.IsCompleted) throw error;
            first = word;
        }

        if (first != word) return;
        ControlFrame frame = (await word.ConfigureAwait(false)).Expect(FrameType.Abort);
        throw frame.Read(ControlMessages.Default.FailureMessage).ToException();
    }

    private async Task WatchAsync(Task work)
    {
        try
        {
            await work.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to end.
        }
        catch (MigrationException error)
        {
            failure.TrySetResult(error);
        }
        catch (Exception error)
        {
            failure.TrySetResult(new(MigrationErrorReason.DestinationFailed, $"The disk could not be received: {error.Message}", null, error));
        }
    }
}
