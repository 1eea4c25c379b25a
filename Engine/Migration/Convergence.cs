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
        bool shrinks = metrics.RemainingBytes <= metrics.SentBytes * PayingShare;
        bool fits = metrics.RemainingBytes <= metrics.BytesPerSecond * limits.DowntimeLimit.TotalSeconds;
        bool passesLeft = metrics.Pass < limits.MaxPasses;
        if (limits.Postcopy == PostcopyPolicy.AfterFirstPass) return new(ConvergenceAction.Postcopy, metrics.VcpuShare);
        if (fits)
        {
            // Good enough to switch over; a further pass only shortens the downtime, so it must pay.
            bool worthwhile = shrinks && passesLeft && metrics.RemainingBytes > SmallRestBytes;
            return new(worthwhile ? ConvergenceAction.Continue : ConvergenceAction.SwitchOver, metrics.VcpuShare);
        }

        if (!passesLeft)
        {
            bool allowed = limits.Postcopy == PostcopyPolicy.WhenNotConverging;
            return new(allowed ? ConvergenceAction.Postcopy : ConvergenceAction.GiveUp, metrics.VcpuShare);
        }

        if (shrinks || metrics.VcpuShare <= limits.MinVcpuShare) return new(ConvergenceAction.Continue, metrics.VcpuShare);
        return new(ConvergenceAction.SlowDown, Math.Max(limits.MinVcpuShare, metrics.VcpuShare * BrakeFactor));
    }
}
