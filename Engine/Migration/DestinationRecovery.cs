using System.Threading.Channels;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>Lets the source of a broken post-copy come back, and tells it what is missing.</summary>
internal sealed class DestinationRecovery(GuestMemory memory, MissingPages missing, PagePlacement placement, ILogger log)
{
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(30);

    private readonly Channel<ControlConnection> arrived = Channel.CreateUnbounded<ControlConnection>();
    private readonly Lock gate = new();
    private ControlConnection? present;
    private volatile IncomingPages? taken;

    /// <summary>The data connections of the link that is being taken up, for those that arrive; null while there is none.</summary>
    public IncomingPages? Pages
    {
        get => taken;
        private set => taken = value;
    }

    /// <summary>The connection in use: the next one that arrives ends it, for its source has given it up.</summary>
    public void Use(ControlConnection control)
    {
        lock (gate) present = control;
    }

    /// <summary>Takes over a connection of a source that comes back.</summary>
    public void Attach(ControlConnection connection)
    {
        ControlConnection? before;
        lock (gate)
        {
            before = present;
            present = null;
        }

        before?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        if (!arrived.Writer.TryWrite(connection)) connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Lets nobody in any more.</summary>
    public void Close()
    {
        arrived.Writer.TryComplete();
        while (arrived.Reader.TryRead(out ControlConnection? late)) late.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Waits for a source that comes back with all its connections.</summary>
    /// <param name="vm">Where it ends, nobody is waited for.</param>
    /// <param name="limit">For how long.</param>
    /// <param name="closing">The host closes.</param>
    /// <returns>Null where nobody came.</returns>
    public async Task<(ControlConnection Control, IncomingPages Pages)?> WaitAsync(
        IVirtualMachine vm, TimeSpan limit, CancellationToken closing)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(closing);
        stop.CancelAfter(limit);
        Task watching = StopWhenGoneAsync(vm, stop);
        try
        {
            while (true)
            {
                ControlConnection control = await arrived.Reader.ReadAsync(stop.Token).ConfigureAwait(false);
                if (await TryAgreeAsync(control, stop.Token).ConfigureAwait(false) is { } pages) return (control, pages);
                await control.DisposeAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    /// <summary>Tells a source what is missing and lets its data connections in; null where it fails again.</summary>
    private async Task<IncomingPages?> TryAgreeAsync(ControlConnection control, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(answerLimit);
        var pages = new IncomingPages(memory);
        try
        {
            ControlFrame frame = await control.ReceiveAsync(limit.Token).ConfigureAwait(false);
            int channels = DestinationMigration.ReadStart(frame, memory.SizeBytes).Channels;
            pages.PlaceWith(placement);
            pages.Open(channels + 1, pageTablePopulator: null);
            Pages = pages;
            PageSet remaining = missing.CopyRemaining();
            await control.SendMissingAsync(remaining, limit.Token).ConfigureAwait(false);
            await control.SendAsync(FrameType.Postcopy, new(remaining.Count), ControlMessages.Default.PostcopyMessage, limit.Token)
                .ConfigureAwait(false);
            (await control.ReceiveAsync(limit.Token).ConfigureAwait(false)).Expect(FrameType.Continue);
            return pages;
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Warning(error, "A source that came back did not get as far as sending pages");
            Pages = null;
            await pages.CloseAsync().ConfigureAwait(false);
            return null;
        }
    }

    private static async Task StopWhenGoneAsync(IVirtualMachine vm, CancellationTokenSource stop)
    {
        await Task.WhenAny(vm.Exited, Task.Delay(Timeout.InfiniteTimeSpan, stop.Token)).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
    }
}
