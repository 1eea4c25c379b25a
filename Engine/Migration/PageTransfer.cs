using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>Sends sets of pages over all data connections at once, one thread each.</summary>
/// <param name="link">The connections.</param>
/// <param name="memory">The guest's memory.</param>
/// <param name="limit">Holds all connections together to the bandwidth limit.</param>
/// <param name="counters">Counts pages and bytes.</param>
/// <param name="overreports">
/// Whether the sets hold pages that were not written (<see cref="WriteTrace.Overreports"/>): a page that has not changed is then not sent
/// again.
/// </param>
internal sealed class PageTransfer(SourceLink link, GuestMemory memory, BandwidthLimit limit, TransferCounters counters, bool overreports)
{
    private readonly PageSender[] senders = MakeSenders(link, memory, limit, counters, overreports ? new(memory.PageCount) : null);

    /// <summary>Sends a set; with <paramref name="flush"/> the destination has all of it in place when the task ends.</summary>
    public async Task SendAsync(PageSet pages, bool flush, CancellationToken cancellationToken)
    {
        // A blocked send ends when its connection is closed; a cancelled migration needs the connections no more.
        using CancellationTokenRegistration closing = cancellationToken.Register(link.CloseData);
        try
        {
            await Task.WhenAll(senders.Select(sender => Task.Factory.StartNew(
                () =>
                {
                    sender.SendPass(pages, cancellationToken);
                    if (flush) sender.Flush();
                },
                cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default))).ConfigureAwait(false);
        }
        catch (MigrationException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    private static PageSender[] MakeSenders(
        SourceLink link, GuestMemory memory, BandwidthLimit limit, TransferCounters counters, SentPages? sent) =>
    [
        .. link.Data.Select((connection, channel) => new PageSender(memory, connection, channel, link.Data.Count, limit, counters, sent)),
    ];
}
