namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Where the vCPUs of a VM find the write trace that is armed; they look before every batch of steps.</summary>
internal sealed class TraceSlot
{
    private SoftwareWriteTrace? armed;

    /// <summary>The armed trace, or null.</summary>
    public SoftwareWriteTrace? Armed => Volatile.Read(ref armed);

    /// <summary>Puts a trace in.</summary>
    /// <returns>False where another one is armed.</returns>
    public bool TryArm(SoftwareWriteTrace trace) => Interlocked.CompareExchange(ref armed, trace, null) is null;

    /// <summary>Takes the trace out, if it is the one that is armed.</summary>
    public void Lift(SoftwareWriteTrace trace) => Interlocked.CompareExchange(ref armed, null, trace);
}
