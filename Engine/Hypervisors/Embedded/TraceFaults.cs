using System.Diagnostics;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>What the faults of a write trace cost, counted by each vCPU on a cache line of its own.</summary>
internal sealed class TraceFaults(int vcpuCount)
{
    private const int Stride = 16;
    private const int StallTicks = 1;
    private const int LongestHeld = 2;
    private const int ArmingTicks = 3;

    private readonly long[] counters = new long[(vcpuCount + 1) * Stride];

    /// <summary>Faults of all vCPUs.</summary>
    public long Count => Sum(0);

    /// <summary>Time the vCPUs waited for them.</summary>
    public TimeSpan Time => Stopwatch.GetElapsedTime(0, Sum(StallTicks));

    /// <summary>Time the vCPUs stood, for faults or to arm.</summary>
    public TimeSpan StallTime => Time + Stopwatch.GetElapsedTime(0, Sum(ArmingTicks));

    /// <summary>The longest delay one was held back by.</summary>
    public TimeSpan MaxDelay
    {
        get
        {
            long longest = 0;
            for (int at = Stride + LongestHeld; at < counters.Length; at += Stride)
            {
                longest = Math.Max(longest, Volatile.Read(ref counters[at]));
            }

            return TimeSpan.FromTicks(longest);
        }
    }

    /// <summary>Adds a fault; only the vCPU itself calls this.</summary>
    /// <param name="vcpu">Its number.</param>
    /// <param name="stallTicks">How long it stood, in ticks of the stopwatch.</param>
    /// <param name="delay">The delay it was held back by.</param>
    public void Add(int vcpu, long stallTicks, TimeSpan delay)
    {
        int at = (vcpu + 1) * Stride;
        Volatile.Write(ref counters[at], counters[at] + 1);
        Volatile.Write(ref counters[at + StallTicks], counters[at + StallTicks] + stallTicks);
        if (delay.Ticks > counters[at + LongestHeld]) Volatile.Write(ref counters[at + LongestHeld], delay.Ticks);
    }

    /// <summary>Adds time that the vCPU stood in order to arm; only the vCPU itself calls this.</summary>
    public void AddArming(int vcpu, long stallTicks)
    {
        ref long total = ref counters[((vcpu + 1) * Stride) + ArmingTicks];
        Volatile.Write(ref total, total + stallTicks);
    }

    private long Sum(int counter)
    {
        long sum = 0;
        for (int at = Stride + counter; at < counters.Length; at += Stride) sum += Volatile.Read(ref counters[at]);
        return sum;
    }
}
