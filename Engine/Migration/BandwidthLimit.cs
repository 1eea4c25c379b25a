using System.Threading.RateLimiting;

namespace VmMigration.Engine.Migration;

/// <summary>Holds all connections of one migration to a number of bytes a second. Safe to call from several threads.</summary>
internal sealed class BandwidthLimit : IDisposable
{
    /// <summary>The least limit that can be kept with frames of this protocol without stalling a connection for minutes.</summary>
    public const long MinBytesPerSecond = 64 * 1024;

    private const int PermitBytes = 1024;

    private readonly TokenBucketRateLimiter? limiter;
    private readonly int maxPermits;

    /// <param name="maxBytesPerSecond">The limit, at least <see cref="MinBytesPerSecond"/>; 0 means none.</param>
    /// <param name="maxFrameBytes">The longest frame that is sent at once.</param>
    public BandwidthLimit(long maxBytesPerSecond, int maxFrameBytes)
    {
        if (maxBytesPerSecond == 0) return;
        TimeSpan period = TimeSpan.FromMilliseconds(20);
        int permitsPerPeriod = (int)Math.Clamp(maxBytesPerSecond / PermitBytes / 50, 1, int.MaxValue / 4);
        maxPermits = Math.Max(permitsPerPeriod, (maxFrameBytes / PermitBytes) + 1);
        limiter = new(new TokenBucketRateLimiterOptions
        {
            TokenLimit = maxPermits,
            TokensPerPeriod = permitsPerPeriod,
            ReplenishmentPeriod = period,
            QueueLimit = int.MaxValue,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
            AutoReplenishment = true,
        });

        // The bucket starts full, and it must hold a whole frame: without this a limit below a frame a second would let the first go at once.
        using RateLimitLease drained = limiter.AttemptAcquire(maxPermits);
    }

    /// <summary>Blocks until this many bytes may be sent.</summary>
    public void Wait(int bytes, CancellationToken cancellationToken)
    {
        if (limiter is null) return;
        using RateLimitLease lease = limiter.AcquireAsync(Permits(bytes), cancellationToken).AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Waits until this many bytes may be sent.</summary>
    public async ValueTask WaitAsync(int bytes, CancellationToken cancellationToken)
    {
        if (limiter is null) return;
        using RateLimitLease lease = await limiter.AcquireAsync(Permits(bytes), cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => limiter?.Dispose();

    private int Permits(int bytes) => Math.Clamp(bytes / PermitBytes, 1, maxPermits);
}
