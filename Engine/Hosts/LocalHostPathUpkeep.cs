using Serilog;
using VmMigration.Engine.Paths;

namespace VmMigration.Engine.Hosts;

/// <summary>
/// What happens to a host's ends of paths by itself: hosts tell their gateways that they are there; ends that nobody takes up or that could
/// not be removed are removed; so are gateways' ends whose hosts have left or fallen silent, for whoever asked for them may be gone for good.
/// </summary>
internal sealed class LocalHostPathUpkeep(
    LocalHostPaths paths, NatGatewayProvider gateway, LocalHostOptions options, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan period = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan retryAfter = TimeSpan.FromSeconds(30);

    // A source waits 30 s for the answer to its grant, and asks for another 30 s.
    private static readonly TimeSpan askingLimit = TimeSpan.FromSeconds(65);

    private readonly CancellationTokenSource closing = new();
    private Task running = Task.CompletedTask;

    /// <summary>Begins.</summary>
    public void Start() => running = RunAsync();

    /// <summary>Ends, after what is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
        closing.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(closing.Token).ConfigureAwait(false)) await LookAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (closing.IsCancellationRequested)
        {
            // The host closes.
        }
    }

    private async Task LookAsync()
    {
        try
        {
            LocalPathEnd[] ends = [.. paths.Ends];
            foreach (NatPathEnd host in ends.Select(end => end.Prepared).OfType<NatPathEnd>()) host.KeepAlive();
            foreach (LocalPathEnd end in ends) await LookAtAsync(end).ConfigureAwait(false);
            LocalPathEnd[] gateways = [.. ends.Where(end => end.Prepared is NatGatewayEnd)];
            if (gateways.Length > 0) await LookAtGatewaysAsync(gateways).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException || !closing.IsCancellationRequested)
        {
            // Whatever it was: without upkeep a gateway takes living paths for dead ones.
            log.Error(error, "The ends of mobility paths could not be looked after; it is tried again");
        }
    }

    private Task LookAtAsync(LocalPathEnd end) => end.Snapshot switch
    {
        { State: MobilityPathState.Ready } when IsUnused(end) => paths.RemoveUnusedAsync(end, "no migration took it up", IsUnused),
        { State: MobilityPathState.InUse } when IsAskedNoMore(end) =>
            paths.RemoveUnusedAsync(end, "the source asks for the outcome no more", IsAskedNoMore),
        { State: MobilityPathState.Failed } when Elapsed(end) >= retryAfter => RetryAsync(end),
        _ => Task.CompletedTask,
    };

    private bool IsUnused(LocalPathEnd end) => end is { Snapshot.State: MobilityPathState.Ready, Prepared: not NatGatewayEnd }
        && Elapsed(end) >= options.PathUnusedLimit;

    private bool IsAskedNoMore(LocalPathEnd end) => end.IsLeaving && Elapsed(end) >= askingLimit;

    private bool IsIdle(LocalPathEnd end) => Elapsed(end) >= options.PathGatewayIdleLimit;

    private Task RetryAsync(LocalPathEnd end)
    {
        end.LastSignAt = clock.GetTimestamp();
        return paths.RemoveUnusedAsync(
            end, "it could not be removed before", failed => failed.Snapshot?.State == MobilityPathState.Failed);
    }

    private async Task LookAtGatewaysAsync(LocalPathEnd[] gateways)
    {
        IReadOnlyDictionary<string, NatCounts> counts = await gateway.ReadCountsAsync(closing.Token).ConfigureAwait(false);
        foreach (LocalPathEnd end in gateways)
        {
            string table = ((NatGatewayEnd)end.Prepared!).Rules.Table;
            if (!counts.TryGetValue(table, out NatCounts count)) continue;
            if (count.Packets != end.SeenPackets)
            {
                end.SeenPackets = count.Packets;
                end.LastSignAt = clock.GetTimestamp();
            }

            if (count.BothLeft) await paths.RemoveUnusedAsync(end, "both hosts have left it", _ => true).ConfigureAwait(false);
            else if (IsIdle(end))
            {
                await paths.RemoveUnusedAsync(end, $"neither host used it for {options.PathGatewayIdleLimit}", IsIdle).ConfigureAwait(false);
            }
        }
    }

    private TimeSpan Elapsed(LocalPathEnd end) => clock.GetElapsedTime(end.LastSignAt);
}
