using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// One collection of a write trace that vCPUs do between two batches of steps, each in its part of memory. None of them goes on before the
/// last one is done, as where page tables have to be changed and flushed together.
/// </summary>
internal sealed class ArmingErrand(SoftwareWriteTrace trace, PageSet written)
{
    private readonly object gate = new();
    private readonly int parts = trace.Armers.Count;
    private int done;

    /// <summary>Collects and arms one part; every part once.</summary>
    public void Run(int part)
    {
        trace.CollectPart(part, parts, written);
        lock (gate)
        {
            if (++done == parts) Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits for all parts.</summary>
    public void Wait()
    {
        lock (gate)
        {
            while (done < parts) Monitor.Wait(gate);
        }
    }

    /// <summary>Adds the time a vCPU stood for it.</summary>
    public void CountStall(int vcpu, long stallTicks) => trace.CountArming(vcpu, stallTicks);
}
