using System.Diagnostics;

namespace VmMigration.Engine.Protocol;

/// <summary>
/// Keeps a control connection alive while nobody has anything to say, and closes it once the peer has been silent for
/// <see cref="SilenceLimit"/>: what waits for a frame then fails with <see cref="MigrationErrorReason.ConnectionLost"/>. TCP alone notices
/// a silent peer only after half a minute where data is under way. Both ends of a connection run one.
/// </summary>
internal sealed class LinkHeartbeat : IAsyncDisposable
{
    /// <summary>The longest silence of a peer that lives.</summary>
    public static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(8);

    private static readonly TimeSpan interval = TimeSpan.FromSeconds(2);

    private readonly ControlConnection control;
    private readonly CancellationTokenSource stop = new();
    private readonly Task beating;

    public LinkHeartbeat(ControlConnection control)
    {
        this.control = control;
        beating = BeatAsync(Stopwatch.GetTimestamp());
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        await beating.ConfigureAwait(false);
        stop.Dispose();
    }

    private async Task BeatAsync(long startedAt)
    {
        try
        {
            while (Stopwatch.GetElapsedTime(Math.Max(startedAt, control.LastReceivedAt)) < SilenceLimit)
            {
                // A peer that takes nothing any more must not hold up the look at the clock. A stop cuts no frame in two: others send on.
                using var limit = new CancellationTokenSource(SilenceLimit);
                await control.SendAsync(FrameType.Alive, default, limit.Token).ConfigureAwait(false);
                await Task.Delay(interval, stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        catch (OperationCanceledException)
        {
            // The peer takes nothing: closed below, the connection tells whoever reads from it.
        }
        catch (MigrationException)
        {
            // Broken, which the reader finds by itself once it has read what the peer said last: a close now would take that away.
            await Task.Delay(interval, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await control.DisposeAsync().ConfigureAwait(false);
    }
}
