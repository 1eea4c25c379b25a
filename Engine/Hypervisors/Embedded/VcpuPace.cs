namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Decides when a vCPU runs, how many steps at a time, and when it stands still, out of a rate and a share of time. Reads no clock:
/// every call is told the time, which only ever grows, so that the decisions can be tested without waiting.
/// </summary>
/// <remarks>
/// A batch aims at <see cref="TargetBatch"/>, which bounds how long a pause request waits for one. Rest is dealt out in portions of at
/// least <see cref="MinRest"/>, so a share of 0.2 runs a quarter of a millisecond and rests one: as smooth as a timer allows. A rest
/// that came out longer than asked, as on a busy machine, is made up for afterwards up to <see cref="MaxCatchUp"/>, so that averages hold.
/// </remarks>
internal sealed class VcpuPace
{
    /// <summary>Time a batch should take.</summary>
    public static readonly TimeSpan TargetBatch = TimeSpan.FromMilliseconds(0.1);

    /// <summary>The shortest rest worth taking: a timer is no finer.</summary>
    public static readonly TimeSpan MinRest = TimeSpan.FromMilliseconds(1);

    /// <summary>The longest rest at a stretch, however small the share: the guest never quite stops.</summary>
    public static readonly TimeSpan MaxRest = TimeSpan.FromMilliseconds(100);

    /// <summary>How much lost time is made up for at most.</summary>
    public static readonly TimeSpan MaxCatchUp = TimeSpan.FromMilliseconds(20);

    private const long MaxBatchSteps = 1 << 16;

    // A batch that took longer was held up by the machine, or touched memory for the first time; neither is time the guest used.
    private static readonly TimeSpan maxBatchCounted = TimeSpan.FromMilliseconds(1);

    private readonly double restPerRun;
    private readonly double stepsPerSecond;
    private readonly double maxCredit;
    private long batchSteps = 16;
    private double credit;
    private TimeSpan restOwed;
    private TimeSpan accounted;

    /// <param name="stepsPerSecond">Most steps a second at full share; 0 means no limit.</param>
    /// <param name="share">Share of its time the vCPU keeps, above 0 to 1; a paced vCPU's rate shrinks by it too.</param>
    /// <param name="now">The time.</param>
    public VcpuPace(long stepsPerSecond, double share, TimeSpan now)
    {
        restPerRun = (1 / share) - 1;
        this.stepsPerSecond = stepsPerSecond * share;
        maxCredit = Math.Max(1, this.stepsPerSecond * MaxCatchUp.TotalSeconds);
        accounted = now;
    }

    /// <summary>Says what to do now: run up to so many steps (at least one), or rest that long first.</summary>
    /// <returns>Steps to run; 0 where <paramref name="rest"/> is to be taken.</returns>
    public long Next(TimeSpan now, out TimeSpan rest)
    {
        // Whatever passed outside a batch was rest.
        restOwed -= now - accounted;
        if (restOwed < -MaxCatchUp) restOwed = -MaxCatchUp;
        EarnUntil(now);

        rest = TimeSpan.Zero;
        if (restOwed >= MinRest)
        {
            rest = restOwed;
            return 0;
        }

        if (stepsPerSecond == 0) return batchSteps;
        if (credit < 1)
        {
            double missing = (1 - credit) / stepsPerSecond;
            rest = TimeSpan.FromSeconds(Math.Clamp(missing, MinRest.TotalSeconds, MaxRest.TotalSeconds));
            return 0;
        }

        return Math.Min(batchSteps, (long)credit);
    }

    /// <summary>Accounts for a batch that <see cref="Next"/> allowed at the time of that call and that ended now.</summary>
    public void Ran(long steps, TimeSpan now)
    {
        TimeSpan took = now - accounted;
        EarnUntil(now);
        credit -= steps;
        restOwed += (took < maxBatchCounted ? took : maxBatchCounted) * restPerRun;
        if (restOwed > MaxRest) restOwed = MaxRest;

        // A first touch of memory makes a step a thousand times slower than usual, so the batch follows what steps cost at the moment.
        if (took > TargetBatch)
        {
            batchSteps = Math.Max(1, batchSteps / 2);
        }
        else if (took < TargetBatch / 2 && steps == batchSteps && batchSteps < MaxBatchSteps)
        {
            batchSteps *= 2;
        }
    }

    /// <summary>Accounts for a step that was run after the batch that broke off before it.</summary>
    public void RanOneMore() => credit--;

    private void EarnUntil(TimeSpan now)
    {
        credit = Math.Min(maxCredit, credit + ((now - accounted).TotalSeconds * stepsPerSecond));
        accounted = now;
    }
}
