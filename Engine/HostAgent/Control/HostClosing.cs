using Microsoft.Extensions.Hosting;
using Serilog;
using VmMigration.Engine.Hosts;

namespace VmMigration.HostAgent.Control;

/// <summary>
/// Closes the host when the agent stops, before the listeners go: what follows a migration or a disk transfer hears how it ended. New calls are refused
/// meanwhile.
/// </summary>
internal sealed class HostClosing(LocalHost host, StoppingGate gate, TimeSpan limit, ILogger log) : IHostedLifecycleService
{
    // For clients to read the end of what they follow.
    private static readonly TimeSpan farewell = TimeSpan.FromSeconds(2);

    /// <summary>Whether everything ended within the limit; false also where a part failed to close.</summary>
    public bool IsClean { get; private set; } = true;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        gate.Close();
        log.Information(
            "The agent stops: VMs in processes of their own run on; migrations have {Limit} to roll back or end, disks to become fragments",
            limit.ToString());
        try
        {
            await host.DisposeAsync().AsTask().WaitAsync(limit, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            IsClean = false;
            log.Error("Not everything ended within {Limit}; the next start decides the rest from the journal", limit.ToString());
        }
        catch (Exception e)
        {
            // The host has closed all it could; the listeners must go too.
            IsClean = false;
            log.Error(e, "The host did not close cleanly: {Message}", e.Message);
        }

        gate.CutAfter(farewell);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
