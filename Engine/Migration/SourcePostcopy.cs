using System.Diagnostics;
using System.Threading.Channels;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// A post-copy, seen from its source: the VM stands still here, and its missing pages are served until the destination says that it needs
/// no more. A link that breaks only pauses that; <see cref="ResumeAsync"/> goes on over a new one, any number of times.
/// </summary>
internal sealed class SourcePostcopy : IAsyncDisposable
{
    private static readonly TimeSpan progressInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan farewellLimit = TimeSpan.FromSeconds(2);

    private readonly IVirtualMachine vm;
    private readonly MigrationRequest request;
    private readonly SourceRecovery recovery;
    private readonly TransferCounters counters;
    private readonly MigrationStatusFeed feed;
    private readonly ILogger log;
    private readonly long pages;
    private readonly Channel<PostcopyRecovery> resumed = Channel.CreateBounded<PostcopyRecovery>(1);
    private readonly SemaphoreSlim resuming = new(1, 1);
    private readonly CancellationTokenSource stopDigest = new();
    private readonly Task<string>? digest;
    private UnsentPages unsent;
    private PostcopyService service;
    private int interruptions;
    private long startedAt;

    /// <param name="vm">The VM, paused for good.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="missing">The pages the destination misses; taken over.</param>
    /// <param name="dialer">Opens the connections of further links.</param>
    /// <param name="link">Its data connections carry the pages; it stays the caller's.</param>
    /// <param name="counters">Counts what is sent.</param>
    /// <param name="feed">Told of every change.</param>
    /// <param name="log">Told of every interruption.</param>
    public SourcePostcopy(
        IVirtualMachine vm, MigrationRequest request, PageSet missing, MigrationDialer dialer, SourceLink link, TransferCounters counters,
        MigrationStatusFeed feed, ILogger log)
    {
        this.vm = vm;
        this.request = request;
        this.counters = counters;
        this.feed = feed;
        this.log = log;
        recovery = new(vm, dialer, link.Data.Count, log);
        pages = missing.Count;

        // From the memory itself, not from what is sent: so the way into the connections is verified too.
        if (request.Options.VerifyMemory) digest = MissingPagesDigest.ComputeAsync(vm.Memory, missing.Copy(), stopDigest.Token);
        unsent = new(missing);
        service = Serve(link);
    }

    /// <summary>Sends the rest and follows the destination to the end. Throws nothing.</summary>
    /// <param name="first">The link the VM was given away on; null where it broke over that. It stays the caller's.</param>
    /// <param name="closing">The host closes: heeded while the link is broken, since everything else ends by itself.</param>
    public async Task<PostcopyEnd> RunAsync(SourceLink? first, CancellationToken closing)
    {
        startedAt = Stopwatch.GetTimestamp();
        feed.MoveTo(MigrationState.Postcopy);
        MigrationException broken = new(MigrationErrorReason.ConnectionLost, "The control connection broke while the VM was given away.");
        SourceLink? link = first;
        while (true)
        {
            if (link is not null)
            {
                try
                {
                    return await FollowAsync(link).ConfigureAwait(false);
                }
                catch (MigrationException error)
                {
                    broken = await ExplainAsync(link, error).ConfigureAwait(false);
                    if (link.Aborted is { Reason: MigrationErrorReason.VmExited } ended)
                    {
                        // The destination waits for this before it lets go of what is left of the VM.
                        await link.DisposeAsync().ConfigureAwait(false);
                        return new(PostcopyEndKind.Completed, Summarize(null), null, Error: ended);
                    }
                }
            }

            await service.DisposeAsync().ConfigureAwait(false);

            // A destination that took the VM over without a link was reached a moment ago to say so: nobody has to mend anything.
            PostcopyRecovery? next = link is null ? await recovery.TryConnectAsync(closing).ConfigureAwait(false) : null;
            if (link is not null) await link.DisposeAsync().ConfigureAwait(false);
            next ??= await WaitForRecoveryAsync(broken, closing).ConfigureAwait(false);
            if (next is null) return new(PostcopyEndKind.Abandoned, Summarize(null), null);
            if (next.Failure is { } failure) return new(PostcopyEndKind.Stranded, Summarize(null), null, Error: failure);
            if (next.Link is null)
            {
                return new(PostcopyEndKind.Completed, Summarize(null), null, Note:
                    $"The last word of the post-copy was lost with its link. Host '{request.Offer.DestinationHostName}' needs nothing more from"
                    + " here: it has all of the VM's memory, or the VM ended there, which its list of VMs tells.");
            }

            link = next.Link;
            unsent = new(next.Missing!);
            service = Serve(link);
        }
    }

    /// <summary>Goes on over a new link; ends once pages flow again.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidState"/> where it is not paused, or can never go on, which ends it as undecided; otherwise why the
    /// destination cannot be reached or refuses: then it stays paused.
    /// </exception>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await resuming.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (feed.Current.State != MigrationState.PostcopyPaused) throw NotPaused();
            PostcopyRecovery next = await recovery.ConnectAsync(cancellationToken).ConfigureAwait(false);
            await HandOverAsync(next).ConfigureAwait(false);
            if (next.Failure is { } failure) throw failure;
        }
        finally
        {
            resuming.Release();
        }
    }

    /// <summary>Adds to a result what the post-copy did and cost.</summary>
    public MigrationResult Describe(MigrationResult result, PostcopyEnd end) => result with
    {
        BytesSent = counters.BytesSent,
        PagesData = counters.PagesData,
        PagesZero = counters.PagesZero,
        Postcopy = end.Summary,

        // The rest was compared while the VM was paused.
        MemoryVerified = result.MemoryVerified && end.MemoryVerified,
        Fallbacks = end.Note is { } note ? [.. result.Fallbacks, note] : result.Fallbacks,
    };

    /// <summary>Ends the service of pages; afterwards nothing reads the VM's memory.</summary>
    public async ValueTask DisposeAsync()
    {
        await service.DisposeAsync().ConfigureAwait(false);
        await stopDigest.CancelAsync().ConfigureAwait(false);
        if (digest is not null) await ((Task)digest).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopDigest.Dispose();
    }

    private PostcopyService Serve(SourceLink link) => new(link, vm.Memory, unsent, request.Options.MaxBytesPerSecond, counters);

    /// <summary>Pushes the pages over a link until the destination has all of them.</summary>
    private async Task<PostcopyEnd> FollowAsync(SourceLink link)
    {
        link.StartHeartbeat();
        service.Push();
        Task<ControlFrame> placing = link.ReceiveAsync(Timeout.InfiniteTimeSpan, "its last page", CancellationToken.None);
        long bytesBefore = counters.BytesSent;
        long since = Stopwatch.GetTimestamp();
        while (!placing.IsCompleted && !service.Failure.IsCompleted)
        {
            await Task.WhenAny(placing, service.Failure, Task.Delay(progressInterval, CancellationToken.None)).ConfigureAwait(false);
            double seconds = Math.Max(Stopwatch.GetElapsedTime(since).TotalSeconds, 1e-6);
            feed.Report(feed.Current.Progress with
            {
                PagesMissing = unsent.Count, BytesSent = counters.BytesSent, BytesPerSecond = (counters.BytesSent - bytesBefore) / seconds,
            });
        }

        if (!placing.IsCompleted) throw await service.Failure.ConfigureAwait(false);
        PlacedMessage placed = (await placing.ConfigureAwait(false)).Expect(FrameType.Placed).Read(ControlMessages.Default.PlacedMessage);
        return await FinishAsync(link, placed).ConfigureAwait(false);
    }

    /// <summary>Compares, and lets the destination go.</summary>
    private async Task<PostcopyEnd> FinishAsync(SourceLink link, PlacedMessage placed)
    {
        string? expected = digest is null ? null : await digest.ConfigureAwait(false);
        using var limit = new CancellationTokenSource(farewellLimit);
        if (digest is not null && expected != placed.Digest)
        {
            var mismatch = new MigrationException(
                MigrationErrorReason.MemoryMismatch,
                $"The pages that followed the VM arrived with digest {placed.Digest}, the source's is {expected}: '{vm.Specification.Name}'"
                + $" was paused on {request.Offer.DestinationHostName}, and its memory at the time it left is kept here, paused.",
                "Do not trust what the VM has written since. Please report this with both hosts' logs: no migration may change memory.");
            await TellAsync(() => link.SendAsync(
                FrameType.Abort, FailureMessage.Of(mismatch), ControlMessages.Default.FailureMessage, limit.Token)).ConfigureAwait(false);
            return new(PostcopyEndKind.Mismatch, Summarize(placed), link, Error: mismatch);
        }

        await TellAsync(() => link.SendAsync(FrameType.Release, default, limit.Token)).ConfigureAwait(false);
        return new(PostcopyEndKind.Completed, Summarize(placed), link, MemoryVerified: expected is not null);
    }

    /// <summary>A destination that has all pages needs no farewell to go on.</summary>
    private async Task TellAsync(Func<Task> tell)
    {
        try
        {
            await tell().ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Warning(error, "The destination did not hear the source's last word");
        }
    }

    /// <summary>Finds the failure behind a broken connection: the destination's last words say more, and come a moment later.</summary>
    private static async Task<MigrationException> ExplainAsync(SourceLink link, MigrationException error) =>
        error.Reason == MigrationErrorReason.ConnectionLost
            && await link.FindFailureAsync(farewellLimit).ConfigureAwait(false) is { } failure
            ? failure : error;

    private async Task<PostcopyRecovery?> WaitForRecoveryAsync(MigrationException broken, CancellationToken closing)
    {
        interruptions++;
        log.Warning(broken, "The post-copy is paused: {Reason}: {Message}", broken.Reason, broken.Message);
        feed.MoveTo(MigrationState.PostcopyPaused, status => status with
        {
            Progress = status.Progress with { BytesPerSecond = 0 },
            ErrorReason = broken.Reason,
            ErrorMessage = $"The VM waits on {status.DestinationHostName} for pages that are kept here: {broken.Message}",
            RecommendedAction = broken.RecommendedAction ?? "Mend the link between the hosts, then resume the migration.",
        });
        using var stopAsking = CancellationTokenSource.CreateLinkedTokenSource(closing);
        Task asking = EndWhenNotNeededAsync(stopAsking.Token);
        try
        {
            PostcopyRecovery next = await resumed.Reader.ReadAsync(closing).ConfigureAwait(false);
            feed.MoveTo(MigrationState.Postcopy, status => status with
            {
                ErrorReason = MigrationErrorReason.Invalid, ErrorMessage = null, RecommendedAction = null,
            });
            next.Taken.SetResult();
            return next;
        }
        catch (OperationCanceledException)
        {
            resumed.Writer.Complete();
            if (!resumed.Reader.TryRead(out PostcopyRecovery? late)) return null;
            if (late.Link is not null) await late.Link.DisposeAsync().ConfigureAwait(false);
            late.Taken.SetException(NotPaused());
            return null;
        }
        finally
        {
            await stopAsking.CancelAsync().ConfigureAwait(false);
            await asking.ConfigureAwait(false);
        }
    }

    /// <summary>Ends the wait where the destination needs nothing more. Throws nothing.</summary>
    private async Task EndWhenNotNeededAsync(CancellationToken cancellationToken)
    {
        try
        {
            await recovery.WaitUntilNotNeededAsync(cancellationToken).ConfigureAwait(false);
            await resuming.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) { return; }

        try
        {
            await HandOverAsync(PostcopyRecovery.NotNeeded()).ConfigureAwait(false);
        }
        catch (MigrationException error)
        {
            log.Debug(error, "The wait of the post-copy had ended");
        }
        finally
        {
            resuming.Release();
        }
    }

    /// <summary>Hands a recovery to whoever waits for it; the caller holds <see cref="resuming"/>.</summary>
    private async Task HandOverAsync(PostcopyRecovery next)
    {
        if (feed.Current.State == MigrationState.PostcopyPaused && resumed.Writer.TryWrite(next))
        {
            // The state changes with the first look at it, which the caller must not overtake.
            await next.Taken.Task.ConfigureAwait(false);
            return;
        }

        if (next.Link is not null) await next.Link.DisposeAsync().ConfigureAwait(false);
        throw NotPaused();
    }

    private MigrationException NotPaused() => new(
        MigrationErrorReason.InvalidState,
        $"Migration {request.Offer.MigrationId} is {feed.Current.State}; only a paused post-copy can be resumed.");

    private PostcopySummary Summarize(PlacedMessage? placed) => new(
        pages, placed?.PagesTouched ?? 0, placed?.StallTime ?? TimeSpan.Zero, Stopwatch.GetElapsedTime(startedAt), interruptions);
}
