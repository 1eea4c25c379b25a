namespace VmMigration.Engine.Memory;

/// <summary>
/// Decides how a region of memory is traced next: as a whole by the engine, or page by page by the kernel. Pure: the same numbers give
/// the same decision.
/// </summary>
internal static class RegionTracing
{
    /// <summary>
    /// How many written passes a region that was found dense is taken for dense at first; doubles each time it proves right.
    /// </summary>
    public const byte FirstTrust = 8;

    /// <summary>The longest that is believed without looking again.</summary>
    public const byte MaxTrust = 64;

    /// <summary>
    /// Whether a region of which nothing is known yet is traced as a whole: where that costs the guest no more if a quarter of its pages is
    /// written.
    /// </summary>
    /// <param name="regionPages">Pages in the region.</param>
    /// <param name="costs">What each way costs.</param>
    public static bool StartsCoarse(long regionPages, TraceCosts costs)
    {
        long quarter = regionPages / 4;
        return costs.SyncFault + (costs.LiftedPage * quarter) <= costs.AsyncFault * quarter;
    }

    /// <summary>
    /// Decides for a region that was written as a whole: it is refined, to see how many of its pages are, unless it is known that nearly
    /// all are.
    /// </summary>
    public static RegionState AfterCoarseWrite(RegionState state) => state.TrustLeft > 0
        ? state with { TrustLeft = (byte)(state.TrustLeft - 1) }
        : state with { Fine = true };

    /// <summary>
    /// Decides for a region traced page by page: it is coarsened where one fault by the engine and pages in vain are cheaper.
    /// </summary>
    /// <param name="state">The region as it is.</param>
    /// <param name="writtenPages">Pages written in the pass; 0 keeps it.</param>
    /// <param name="regionPages">Pages in the region.</param>
    /// <param name="costs">What each way costs.</param>
    public static RegionState AfterFinePass(RegionState state, long writtenPages, long regionPages, TraceCosts costs)
    {
        if (writtenPages == 0) return state;
        if (!IsDense(writtenPages, regionPages, costs)) return state with { Trust = 0 };
        byte trust = state.Trust == 0 ? FirstTrust : (byte)Math.Min(state.Trust * 2, MaxTrust);
        return new(Fine: false, trust, TrustLeft: trust);
    }

    /// <summary>Whether one fault by the engine, what follows it at each written page, and pages in vain are cheaper.</summary>
    /// <param name="writtenPages">Pages written in a pass.</param>
    /// <param name="regionPages">Pages in the region.</param>
    /// <param name="costs">What each way costs.</param>
    public static bool IsDense(long writtenPages, long regionPages, TraceCosts costs) =>
        costs.AsyncFault * writtenPages
            > costs.SyncFault + (costs.LiftedPage * Math.Max(0, writtenPages - 1)) + (costs.NeedlessPage * (regionPages - writtenPages));
}
