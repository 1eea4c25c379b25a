using Serilog;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Asks the source for the pages the guest touches, on a thread of its own. What is touched while there is no link is asked for once there
/// is one again.
/// </summary>
internal sealed class PageRequests : IDisposable
{
    private readonly MissingPages missing;
    private readonly ILogger log;
    private readonly PageSet touched;
    private readonly Lock gate = new();
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<MigrationException> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;
    private ControlConnection? control;

    /// <summary>Asks from now on.</summary>
    public PageRequests(MissingPages missing, long pageCount, ControlConnection control, ILogger log)
    {
        this.missing = missing;
        this.log = log;
        this.control = control;
        touched = new(pageCount);
        thread = new(Run) { IsBackground = true, Name = "missing pages" };
        thread.Start();
    }

    /// <summary>Completes where touches cannot be noticed any more, which leaves whoever touches a page waiting for the push.</summary>
    public Task<MigrationException> Failure => failure.Task;

    /// <summary>
    /// Completes once no touch has to be noticed any more: all pages are there, and touches of others are the kernel's again.
    /// </summary>
    public Task Ended => ended.Task;

    /// <summary>Asks nobody from now on.</summary>
    public void Disconnect()
    {
        lock (gate) control = null;
    }

    /// <summary>Asks over this connection from now on, and again for what is still missing of what was asked for before.</summary>
    public async Task ConnectAsync(ControlConnection connection, CancellationToken cancellationToken)
    {
        PageSet again = missing.CopyRemaining();
        List<long> pages = [];
        lock (gate)
        {
            control = connection;
            for (long next = 0; touched.TryFindRun(next, touched.PageCount, out long first, out long count); next = first + count)
            {
                for (long page = first; page < first + count; page++)
                {
                    if (again.Contains(page)) pages.Add(page);
                }
            }
        }

        foreach (long page in pages)
        {
            await connection.SendAsync(FrameType.Request, MissingFrame.EncodeRequest(page), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the thread.</summary>
    public void Dispose()
    {
        stop.Cancel();
        thread.Join();
        stop.Dispose();
    }

    private void Run()
    {
        try
        {
            while (true)
            {
                long page = missing.WaitForTouch(stop.Token);
                if (page < 0)
                {
                    ended.TrySetResult();
                    return;
                }

                Ask(page);
            }
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
            failure.TrySetResult(new(
                MigrationErrorReason.DestinationFailed, $"Touched pages are not noticed any more: {error.Message}", null, error));
        }
    }

    private void Ask(long page)
    {
        ControlConnection? connection;
        lock (gate)
        {
            touched.Add(page);
            connection = control;
        }

        if (connection is null) return;
        try
        {
            // The thread is this class's own: it may block, as long as the link does not.
            connection.SendAsync(FrameType.Request, MissingFrame.EncodeRequest(page), stop.Token).GetAwaiter().GetResult();
        }
        catch (MigrationException error) when (error.Reason == MigrationErrorReason.ConnectionLost)
        {
            // Whoever reads from the connection notices too; the page is asked for over the next one.
            log.Debug(error, "Page {Page} could not be asked for", page);
        }
    }
}
