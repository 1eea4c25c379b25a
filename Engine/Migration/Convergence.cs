namespace VmMigration.Engine.Migration;

/// <summary>Decides after each pass whether memory converges. Pure: the same numbers give the same decision.</summary>
internal static class Convergence
{
    /// <summary>A rest smaller than this is not worth a pass of its own: it takes about a millisecond with the VM paused.</summary>
    private const long SmallRestBytes = 1 << 20;

    /// <summary>A pass pays as long as it leaves at most this share of what it set out with.</summary>
    private const double PayingShare = 0.7;

    /// <summary>Each step of the brake halves the guest's share: it reaches any limit in few passes and stays smooth.</summary>
    private const double BrakeFactor = 0.5;

    public static ConvergenceDecision Decide(ConvergenceMetrics metrics, MigrationOptions limits)
    {
        // A trace whose faults no longer lie where the guest writes most lets go; the vCPUs' share takes over.
        TimeSpan delay = metrics.CanDelayFaults ? metrics.FaultDelay : TimeSpan.Zero;
        bool shrinks = metrics.RemainingBytes <= metrics.SentBytes * PayingShare;
        bool fits = metrics.RemainingBytes <= metrics.BytesPerSecond * limits.DowntimeLimit.TotalSeconds;
        bool passesLeft = metrics.Pass < limits.MaxPasses;
        if (limits.Postcopy == PostcopyPolicy.AfterFirstPass) return new(ConvergenceAction.Postcopy, metrics.VcpuShare, delay);
        if (fits)
        {
            // Good enough to switch over; a further pass only shortens the downtime, so it must pay.
            bool worthwhile = shrinks && passesLeft && metrics.RemainingBytes > SmallRestBytes;
            return new(worthwhile ? ConvergenceAction.Continue : ConvergenceAction.SwitchOver, metrics.VcpuShare, delay);
        }

        if (!passesLeft)
        {
            bool allowed = limits.Postcopy == PostcopyPolicy.WhenNotConverging;
            return new(allowed ? ConvergenceAction.Postcopy : ConvergenceAction.GiveUp, metrics.VcpuShare, delay);
        }

        return shrinks ? new(ConvergenceAction.Continue, metrics.VcpuShare, delay) : SlowDown(metrics, delay, limits.MinVcpuShare);
    }

    /// <summary>
    /// First writes are held back first: that costs only who writes. Where that reaches its bound and the rest still does not shrink, the faults
    /// that can be held are not those that count, and all of the guest pays.
    /// </summary>
    private static ConvergenceDecision SlowDown(ConvergenceMetrics metrics, TimeSpan delay, double minShare)
    {
        if (metrics.CanDelayFaults)
        {
            TimeSpan next = FaultBrake.Next(delay, metrics.Faults, metrics.Duration, minShare);
            if (next > delay) return new(ConvergenceAction.SlowDown, metrics.VcpuShare, next);
        }

        if (metrics.CannotCapVcpus || metrics.VcpuShare <= minShare) return new(ConvergenceAction.Continue, metrics.VcpuShare, delay);
        return new(ConvergenceAction.SlowDown, Math.Max(minShare, metrics.VcpuShare * BrakeFactor), delay);
    }
}
