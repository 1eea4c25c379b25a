using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Migration;

/// <summary>
/// Chooses how long first writes are held back, so that a guest keeps a share of the rate at which it touches armed memory. Pure.
/// </summary>
/// <remarks>
/// Faults are taken as those of one vCPU, one after another. With several vCPUs the delay comes out too short, never too long, and the next
/// pass measures again.
/// </remarks>
internal static class FaultBrake
{
    /// <summary>The first delay is at most this; each later one at most twice the one before.</summary>
    public static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(1);

    /// <summary>The delay that halves the rate of first writes once more, within the bounds.</summary>
    /// <param name="current">Delay of the pass that ended.</param>
    /// <param name="faults">First writes in that pass.</param>
    /// <param name="duration">How long it took.</param>
    /// <param name="minShare">The least share of its rate that the guest keeps, above 0 to 1.</param>
    /// <returns>The next delay; <paramref name="current"/> where a bound is reached or nothing was there to hold back.</returns>
    public static TimeSpan Next(TimeSpan current, long faults, TimeSpan duration, double minShare)
    {
        if (faults <= 0) return current;
        TimeSpan interval = duration / faults;
        TimeSpan step = current == TimeSpan.Zero ? FirstDelay : current * 2;
        TimeSpan next = Min(Min(current + interval, step), Limit(current, interval, minShare));
        return next > current ? next : current;
    }

    // Without the brake the vCPU would come to the next fault after the rest of the interval.
    private static TimeSpan Limit(TimeSpan current, TimeSpan interval, double minShare)
    {
        TimeSpan unbraked = interval > current ? interval - current : TimeSpan.Zero;
        return Min(unbraked * ((1 / minShare) - 1), WriteTrace.MaxFaultDelay);
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
