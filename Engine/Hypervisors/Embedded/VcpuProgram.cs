using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// The program of one vCPU, run against whatever holds for its memory at the time: a trace, guarded pages, both or neither.
/// </summary>
/// <param name="program">What it runs.</param>
/// <param name="share">The memory it owns.</param>
/// <param name="guards">Which pages may not be touched.</param>
internal sealed class VcpuProgram(GuestProgram program, GuestShare share, PageGuards guards)
{
    private int knownVersion = -1;
    private bool guarded;

    /// <summary>Runs up to so many steps.</summary>
    /// <param name="registers">Before and after.</param>
    /// <param name="trace">The trace that is armed; null where there is none.</param>
    /// <param name="steps">How many, at least one.</param>
    public unsafe BatchEnd Run(ref VcpuRegisters registers, SoftwareWriteTrace? trace, long steps)
    {
        if (guards.Version != knownVersion) LookForGuards();
        BatchEnd end = (trace, guarded) switch
        {
            (null, false) => program.Run(ref registers, share, default(FreeAccess), steps),
            (null, true) => program.Run(ref registers, share, new GuardedAccess(guards.Table), steps),
            (_, false) => program.Run(ref registers, share, trace.Writes, steps),
            _ => program.Run(ref registers, share, new GuardedTracedWrites(new(guards.Table), trace.Writes), steps),
        };
        GC.KeepAlive(trace);
        return end;
    }

    /// <summary>Runs the step whose fault was paid for.</summary>
    public void RunLifted(ref VcpuRegisters registers, SoftwareWriteTrace trace)
    {
        program.Run(ref registers, share, new LiftedWrites(trace.Writes), 1);
        GC.KeepAlive(trace);
    }

    /// <summary>A guard anywhere else costs this vCPU nothing.</summary>
    private void LookForGuards()
    {
        knownVersion = guards.Version;
        guarded = guards.AnyIn(
            share.OffsetBytes >> GuestMemory.PageShift, share.WordCount * sizeof(ulong) >> GuestMemory.PageShift);
    }
}
