namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>What the vCPUs of a VM have to heed when they touch memory. They look before every batch of steps.</summary>
/// <param name="guards">Which pages they may not touch.</param>
internal sealed class VcpuWatch(PageGuards guards)
{
    private readonly TaskCompletionSource<long> machineCheck = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private EmbeddedMissingPages? missing;

    /// <summary>Where an armed write trace is found.</summary>
    public TraceSlot Traces { get; } = new();

    /// <summary>Which pages they may not touch.</summary>
    public PageGuards Guards { get; } = guards;

    /// <summary>The pages of a post-copy; null where there was none.</summary>
    public EmbeddedMissingPages? Missing
    {
        get => Volatile.Read(ref missing);
        set => Volatile.Write(ref missing, value);
    }

    /// <summary>Completes with the number of the poisoned page that a vCPU touched first.</summary>
    public Task<long> MachineCheck => machineCheck.Task;

    /// <summary>Called by a vCPU that touched a poisoned page; it runs no further.</summary>
    public void RaiseMachineCheck(long page) => machineCheck.TrySetResult(page);
}
