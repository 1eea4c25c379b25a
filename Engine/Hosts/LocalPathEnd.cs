using VmMigration.Engine.Migration;
using VmMigration.Engine.Paths;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>One end of a mobility path on this host. Who changes it holds <see cref="Changes"/>.</summary>
/// <param name="request">What it is made from.</param>
/// <param name="madeAt">When that began.</param>
internal sealed class LocalPathEnd(MobilityPathRequest request, DateTimeOffset madeAt)
{
    /// <summary>Held while it is made, taken, returned or removed.</summary>
    public AsyncLock Changes { get; } = new();

    /// <summary>What it is made from.</summary>
    public MobilityPathRequest Request => request;

    /// <summary>When making it began.</summary>
    public DateTimeOffset MadeAt => madeAt;

    /// <summary>What the kernel has for it; null before it is made, and for a leftover.</summary>
    public PreparedPathEnd? Prepared { get; set; }

    /// <summary>Lets migrations in; null but at the destination.</summary>
    public MigrationListener? Listener { get; set; }

    /// <summary>As the journal has it: whether forwarding was turned on for it.</summary>
    public bool ForwardingEnabled { get; set; }

    /// <summary>What others see; null before it is made and once it is removed.</summary>
    public MobilityPathEnd? Snapshot { get; set; }

    /// <summary>Packets the gateway's rules had counted when there were last more of them.</summary>
    public long SeenPackets { get; set; }

    /// <summary>When that was, or when the end was made (<see cref="TimeProvider.GetTimestamp"/>).</summary>
    public long LastSignAt { get; set; }

    /// <summary>Whether its migration has ended and only questions for the outcome may still come.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Changes what others see.</summary>
    public void Change(Func<MobilityPathEnd, MobilityPathEnd> change) =>
        Snapshot = change(Snapshot ?? new(request, MobilityPathState.Ready, madeAt, TimeSpan.Zero));
}
