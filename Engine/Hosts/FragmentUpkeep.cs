using Serilog;
using VmMigration.Engine.Disks;

namespace VmMigration.Engine.Hosts;

/// <summary>Removes, while a host is open, the fragments that grow past their limits, and tries again what failed before.</summary>
internal sealed class FragmentUpkeep(FragmentStore store, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan period = TimeSpan.FromMinutes(5);

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
            while (await timer.WaitForNextTickAsync(closing.Token).ConfigureAwait(false))
            {
                try
                {
                    await store.TidyAsync(closing.Token).ConfigureAwait(false);
                }
                catch (MigrationException error)
                {
                    log.Error(error, "The disk fragments could not be looked after; it is tried again");
                }
            }
        }
        catch (OperationCanceledException) when (closing.IsCancellationRequested)
        {
            // The host closes.
        }
    }
}
