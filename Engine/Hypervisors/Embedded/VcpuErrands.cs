using System.Diagnostics;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Where a vCPU finds what it is asked to do between two batches of steps. It takes one at a time.</summary>
/// <param name="vcpu">Number of the vCPU.</param>
/// <param name="wake">Ends its rest.</param>
internal sealed class VcpuErrands(int vcpu, AutoResetEvent wake)
{
    private readonly Lock gate = new();
    private ArmingErrand? pending;
    private bool closed;

    /// <summary>Asks the vCPU to do its part.</summary>
    /// <returns>False where its thread has ended, or has not done another errand yet: who asks does the part.</returns>
    public bool TryAsk(ArmingErrand errand)
    {
        lock (gate)
        {
            if (closed || pending is not null) return false;
            Volatile.Write(ref pending, errand);
            wake.Set();
            return true;
        }
    }

    /// <summary>Does what was asked, if anything; the vCPU calls this wherever it may wait.</summary>
    public void RunPending()
    {
        if (Volatile.Read(ref pending) is not { } errand) return;
        long started = Stopwatch.GetTimestamp();
        lock (gate) pending = null;
        errand.Run(vcpu);
        errand.Wait();
        errand.CountStall(vcpu, Stopwatch.GetTimestamp() - started);
    }

    /// <summary>Does what was asked and takes nothing more; the thread's last act.</summary>
    public void Close()
    {
        lock (gate) closed = true;
        RunPending();
    }
}
