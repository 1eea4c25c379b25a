using System.Threading.Channels;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Serves the missing pages of one link from the source's memory, which stands still: requests at once over a connection of their own, so
/// that they do not wait behind the rest, and everything else in the background.
/// </summary>
internal sealed class PostcopyService : IAsyncDisposable
{
    private readonly SourceLink link;
    private readonly GuestMemory memory;
    private readonly UnsentPages unsent;
    private readonly TransferCounters counters;
    private readonly BandwidthLimit limit;
    private readonly BandwidthLimit noLimit = new(0, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<MigrationException> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> running = [];
    private bool disposed;

    /// <summary>Answers requests from now on.</summary>
    public PostcopyService(SourceLink link, GuestMemory memory, UnsentPages unsent, long maxBytesPerSecond, TransferCounters counters)
    {
        this.link = link;
        this.memory = memory;
        this.unsent = unsent;
        this.counters = counters;
        limit = new(maxBytesPerSecond, PageFrame.MaxHeadBytes + PageFrame.MaxPayloadBytes);
        Start(Answer);
    }

    /// <summary>Completes with the reason once a page could not be sent.</summary>
    public Task<MigrationException> Failure => failure.Task;

    /// <summary>Sends all other pages too, from now on.</summary>
    public void Push()
    {
        for (int channel = 0; channel < link.Data.Count; channel++)
        {
            int own = channel;
            Start(() => Push(own));
        }
    }

    /// <summary>Closes the link's data connections; afterwards nothing reads the memory any more. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (disposed) return;
        disposed = true;
        await stop.CancelAsync().ConfigureAwait(false);
        link.CloseData();
        await Task.WhenAll(running).ConfigureAwait(false);
        limit.Dispose();
        noLimit.Dispose();
        stop.Dispose();
    }

    private void Start(Action send) => running.Add(Task.Factory.StartNew(
        () =>
        {
            try
            {
                send();
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
                failure.TrySetResult(new(MigrationErrorReason.HypervisorFailed, $"Pages could not be sent: {error.Message}", null, error));
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

    private void Answer()
    {
        var sender = new PageSender(memory, link.Urgent!, 0, 1, noLimit, counters, sent: null);
        var taken = new PageSet(memory.PageCount);
        try
        {
            while (true)
            {
                // The thread is the service's own: it may block.
                long page = link.Requests.ReadAsync(stop.Token).AsTask().GetAwaiter().GetResult();
                long basePage = page - (page % PageFrame.MaxPages);
                unsent.TakeRequested(page, taken);
                sender.SendChunk(taken, basePage, stop.Token);
                taken.RemoveRange(basePage, Math.Min(PageFrame.MaxPages, memory.PageCount - basePage));
            }
        }
        catch (ChannelClosedException)
        {
            // The link is broken; whoever listens on it reports how.
        }
    }

    private void Push(int channel)
    {
        var sender = new PageSender(memory, link.Data[channel], channel, link.Data.Count, limit, counters, sent: null);
        var taken = new PageSet(memory.PageCount);
        for (long chunk = channel; chunk * PageFrame.MaxPages < memory.PageCount; chunk += link.Data.Count)
        {
            long basePage = chunk * PageFrame.MaxPages;
            if (!unsent.TryTakeFrame(basePage, taken)) continue;
            stop.Token.ThrowIfCancellationRequested();
            sender.SendChunk(taken, basePage, stop.Token);
            taken.RemoveRange(basePage, Math.Min(PageFrame.MaxPages, memory.PageCount - basePage));
        }
    }
}
