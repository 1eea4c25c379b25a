using System.Diagnostics;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// One order to all vCPUs of a VM. Every vCPU takes it up between two batches of steps and acknowledges it, so whoever awaits
/// <see cref="Obeyed"/> knows that no step begun before the order is still under way.
/// </summary>
internal sealed class VcpuOrder(VcpuMode mode, double share, int vcpuCount)
{
    private readonly TaskCompletionSource obeyed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int outstanding = vcpuCount;

    /// <summary>What to do.</summary>
    public VcpuMode Mode { get; } = mode;

    /// <summary>Share of its time each vCPU keeps, above 0 to 1.</summary>
    public double Share { get; } = share;

    /// <summary>Completes when every vCPU has taken the order up.</summary>
    public Task Obeyed => obeyed.Task;

    /// <summary>When the last vCPU took the order up, as a stopwatch's timestamp; set once <see cref="Obeyed"/> has completed.</summary>
    public long ObeyedAt { get; private set; }

    /// <summary>Called by each vCPU once. Makes everything the vCPU did before visible to whoever awaits <see cref="Obeyed"/>.</summary>
    public void Acknowledge()
    {
        if (Interlocked.Decrement(ref outstanding) != 0) return;
        ObeyedAt = Stopwatch.GetTimestamp();
        obeyed.SetResult();
    }
}
